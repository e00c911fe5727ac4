import { styleOptions } from '/page/theme.js';

const settings = JSON.parse(document.getElementById('settings').textContent);
const element = document.getElementById('chat');
const MEMORY = 'ringback-chat';

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(MEMORY)) || {};
  } catch {
    return {};
  }
}

function remember(conversation) {
  try {
    localStorage.setItem(MEMORY, JSON.stringify(conversation));
  } catch {
    // A browser that keeps nothing starts a new conversation at every visit.
  }
}

async function token(wanted) {
  const answer = await fetch('/page/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(wanted)
  });
  if (!answer.ok) throw new Error(`The channel gave no token: ${await answer.text()}`);
  return answer.json();
}

function loadBundle() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = '/page/webchat.js';
    script.nonce = settings.nonce;
    script.onload = resolve;
    script.onerror = () => reject(new Error('webchat.js did not load'));
    document.head.append(script);
  });
}

function notice(title, text) {
  const box = document.getElementById('missing').content.cloneNode(true);
  if (title) box.querySelector('h1').textContent = title;
  box.querySelector('pre').textContent = text;
  element.replaceChildren(box);
}

async function start() {
  if (!settings.webchat) return notice('', settings.fetch);
  await loadBundle();
  const kept = remembered();
  const user = kept.user || settings.user;
  const granted = await token({ user, channelId: kept.channelId, conversationId: kept.conversationId });
  remember({ ...kept, user, conversationId: granted.conversationId });
  const options = { token: granted.token, domain: `${location.origin}/v3/directline` };
  // A kept conversation is replayed from its first activity.
  if (granted.known) Object.assign(options, { conversationId: granted.conversationId, watermark: '0' });
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const directLine = WebChat.createDirectLine(options);
  const store = WebChat.createStore();
  const render = () =>
    WebChat.renderWebChat(
      { directLine, store, userID: user, locale: navigator.language, nonce: settings.nonce, styleOptions: styleOptions(dark.matches) },
      element
    );
  dark.addEventListener('change', render);
  render();
}

start().catch(error => notice('The chat could not start', String(error)));
