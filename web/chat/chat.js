import { answers, failAtOnce, persistently, watch } from '/page/connection.js';
import { followLink, keepConversation, pair, remember, remembered } from '/page/memory.js';
import { showOutbox } from '/page/outbox.js';
import { styleOptions } from '/page/theme.js';
import { followWire } from '/page/wire.js';

const byId = id => document.getElementById(id);
const settings = JSON.parse(byId('settings').textContent);
followLink(settings);
const kept = remembered();
const user = kept.user || settings.user;
const channelId = settings.channels.includes(kept.channelId) ? kept.channelId : settings.channels[0];
const current = { conversationId: kept.conversations[pair(user, channelId)] };

function notice(title, text) {
  const box = byId('missing').content.cloneNode(true);
  if (title) {
    box.querySelector('h2').textContent = title;
    box.querySelectorAll('p').forEach(line => line.remove());
  }
  box.querySelector('pre').textContent = text;
  byId('chat').replaceChildren(box);
}

async function grant() {
  const answer = await fetch('/page/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user, channelId, conversationId: current.conversationId, fresh: Boolean(kept.fresh) })
  });
  remember({ fresh: false });
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

// A message that the bot took back arrives as messageDelete with its id: neither is shown from then on.
function hideDeleted() {
  const deleted = new Set();
  return () => next => (...all) => {
    const { activity } = all[0];
    if (activity.type === 'messageDelete') deleted.add(activity.id);
    return deleted.has(activity.id) ? false : next(...all);
  };
}

function connected(granted, again) {
  const options = { token: granted.token, domain: `${location.origin}/v3/directline` };
  // A kept conversation is replayed from its first activity.
  if (granted.known) Object.assign(options, { conversationId: granted.conversationId, watermark: '0' });
  const directLine = WebChat.createDirectLine(options);
  failAtOnce(directLine);
  watch(directLine, again);
  return directLine;
}

async function start() {
  if (!settings.webchat) return notice('', settings.fetch);
  await loadBundle();
  const granted = await grant();
  current.conversationId = granted.conversationId;
  keepConversation(user, channelId, granted.conversationId);
  lookAtWire();
  const fixed = { store: WebChat.createStore(), activityMiddleware: hideDeleted(), userID: user, locale: navigator.language, nonce: settings.nonce };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const render = () => WebChat.renderWebChat({ ...fixed, directLine, styleOptions: styleOptions(dark.matches) }, byId('chat'));
  let renewing = false;
  const again = async () => {
    if (renewing) return;
    renewing = true;
    const renewed = await persistently(grant);
    renewing = false;
    if (renewed.conversationId !== current.conversationId) return location.reload();
    directLine = connected(renewed, again);
    render();
  };
  let directLine = connected(granted, again);
  dark.addEventListener('change', render);
  render();
}

function showPane(name) {
  document.body.dataset.pane = name;
  document.querySelectorAll('[data-show]').forEach(button => button.setAttribute('aria-pressed', button.dataset.show === name));
  remember({ pane: name });
}

function drawHeader() {
  byId('bot').textContent = settings.bot;
  byId('user').value = user;
  byId('users').append(...remembered().users.map(name => new Option(name, name)));
  byId('channel').append(...settings.channels.map(name => new Option(name, name, false, name === channelId)));
  byId('user').addEventListener('change', event => {
    remember({ user: event.target.value.trim() || settings.user });
    location.reload();
  });
  byId('channel').addEventListener('change', event => {
    remember({ channelId: event.target.value });
    location.reload();
  });
  byId('fresh').addEventListener('click', () => {
    const { conversations } = remembered();
    delete conversations[pair(user, channelId)];
    remember({ conversations, fresh: true });
    location.reload();
  });
  document.querySelectorAll('[data-show]').forEach(button =>
    button.addEventListener('click', () => {
      const again = document.body.dataset.pane === button.dataset.show;
      showPane(again ? 'chat' : button.dataset.show);
    })
  );
  const wide = matchMedia('(min-width: 1100px)').matches;
  showPane(matchMedia('(max-width: 760px)').matches ? 'chat' : kept.pane || (wide ? 'wire' : 'chat'));
}

drawHeader();
const lookAtWire = followWire(() => current.conversationId, answers);
showOutbox();
start().catch(error => notice('The chat could not start', String(error)));
