const SECONDS = 3;
const list = document.getElementById('messages');
let shown = '';

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function draw(message) {
  const item = document.createElement('li');
  const box = element('div', 'mail', '');
  const kind = message.kind === 'sms' ? 'SMS' : 'E-mail';
  box.append(
    element('h2', '', message.subject || kind),
    element('div', 'to', `${kind} to ${message.to} · ${new Date(message.at).toLocaleString()}`),
    element('p', '', message.text || '')
  );
  item.append(box);
  return item;
}

async function refresh() {
  const answer = await fetch('/page/outbox');
  const data = await answer.json();
  const text = JSON.stringify(data);
  if (text === shown) return;
  shown = text;
  if (!answer.ok) list.replaceChildren(element('li', 'empty', data.error.message));
  else if (!data.messages.length) list.replaceChildren(element('li', 'empty', 'No e-mail and no SMS was sent yet.'));
  else list.replaceChildren(...data.messages.map(draw));
}

/** Keep the pane of e-mails and text messages fresh while it is open. */
export function showOutbox() {
  const look = () => {
    if (document.body.dataset.pane === 'outbox' && !document.hidden) refresh().catch(() => {});
  };
  setInterval(look, SECONDS * 1000);
  document.querySelector('[data-show="outbox"]').addEventListener('click', () => setTimeout(look, 0));
  look();
}
