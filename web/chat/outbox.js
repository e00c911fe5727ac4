const SECONDS = 3;
const list = document.getElementById('messages');

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function frame(message) {
  const made = document.createElement('iframe');
  made.setAttribute('sandbox', '');
  made.loading = 'lazy';
  made.title = `HTML of ${message.subject || 'the e-mail'}`;
  made.src = `/page/outbox/${encodeURIComponent(message.id)}`;
  return made;
}

function draw(message, key) {
  const item = document.createElement('li');
  const box = element('div', 'mail', '');
  const kind = message.kind === 'sms' ? 'SMS' : 'E-mail';
  box.append(
    element('h2', '', message.subject || kind),
    element('div', 'to', `${kind} to ${message.to} · ${new Date(message.at).toLocaleString()}`)
  );
  if (message.text) box.append(element('p', '', message.text));
  if (message.html) box.append(frame(message));
  item.dataset.key = key;
  item.append(box);
  return item;
}

// What is shown stays as it is: a frame that is moved or made anew would load again.
function show(messages) {
  const keys = messages.map(message => JSON.stringify(message));
  const wanted = new Set(keys);
  for (const item of [...list.children]) if (!wanted.has(item.dataset.key)) item.remove();
  let next = list.firstElementChild;
  messages.forEach((message, place) => {
    if (next?.dataset.key === keys[place]) next = next.nextElementSibling;
    else list.insertBefore(draw(message, keys[place]), next);
  });
  while (next) {
    const following = next.nextElementSibling;
    next.remove();
    next = following;
  }
}

async function refresh() {
  const answer = await fetch('/page/outbox');
  const data = await answer.json();
  if (answer.ok && data.messages.length) return show(data.messages);
  const said = answer.ok ? 'No e-mail and no SMS was sent yet.' : data.error.message;
  if (list.textContent !== said) list.replaceChildren(element('li', 'empty', said));
}

/** Keep the pane of e-mails and text messages fresh while it is open. */
export function showOutbox() {
  let looking = false;
  const look = async () => {
    if (looking || document.body.dataset.pane !== 'outbox' || document.hidden) return;
    looking = true;
    await refresh().catch(() => {});
    looking = false;
  };
  setInterval(look, SECONDS * 1000);
  document.querySelector('[data-show="outbox"]').addEventListener('click', () => setTimeout(look, 0));
  look();
}
