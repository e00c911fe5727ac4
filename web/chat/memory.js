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

/** A link to /?conversation=ID&channel=msteams&user=NAME opens that conversation, from then on as any other. */
export function followLink(settings) {
  const asked = new URLSearchParams(location.search);
  const conversation = asked.get('conversation');
  if (!conversation) return;
  const user = asked.get('user') || remembered().user || settings.user;
  const channelId = asked.get('channel') || settings.channels[0];
  remember({ fresh: false });
  keepConversation(user, channelId, conversation);
  history.replaceState(null, '', location.pathname);
}
