// What the page remembers in this browser: who chats on which channel id, and the conversation of each such pair.
const NAME = 'bot-chat';

export function remembered() {
  try {
    return { conversations: {}, users: [], ...JSON.parse(localStorage.getItem(NAME)) };
  } catch {
    return { conversations: {}, users: [] };
  }
}

export function remember(changes) {
  try {
    localStorage.setItem(NAME, JSON.stringify({ ...remembered(), ...changes }));
  } catch {
    // A browser that keeps nothing starts a new conversation at every visit.
  }
}

export const pair = (user, channelId) => `${channelId} ${user}`;

export function keepConversation(user, channelId, conversationId) {
  const { conversations, users } = remembered();
  remember({
    user,
    channelId,
    users: [user, ...users.filter(other => other !== user)].slice(0, 12),
    conversations: { ...conversations, [pair(user, channelId)]: conversationId }
  });
}
