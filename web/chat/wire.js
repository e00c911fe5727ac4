const LONGEST = 400;
const RETRY_SECONDS = 3;
const byId = id => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const pretty = body => (typeof body === 'string' ? body : JSON.stringify(body, null, 2));

function attached(attachments) {
  if (!Array.isArray(attachments)) return '';
  return attachments.map(each => each?.name || String(each?.contentType || '').split('.').pop()).join(', ');
}

// The channel keeps the beginning of a body that is long, as text.
function glimpsed(text) {
  const found = name => new RegExp(`"${name}"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)`).exec(text)?.[1];
  return { type: found('type'), text: found('text'), name: found('name') };
}

// What a bot developer looks for first: the kind of activity and its text; of other calls, the end of their path.
function headline({ way, title, body: whole }) {
  const body = typeof whole === 'string' ? glimpsed(whole) : whole;
  const [method, path] = way === 'to-bot' ? ['POST', ''] : title.split(' ');
  const kind = way === 'to-bot' ? title : body?.type || `…/${path.split('/').slice(-2).join('/')}`;
  const said = body?.text || body?.name || attached(body?.attachments);
  return `${method === 'POST' ? '' : `${method} `}${kind}${said ? ` · ${said}` : ''}`.slice(0, 200);
}

function copier(text) {
  const button = element('button', 'copy', 'Copy');
  button.type = 'button';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  return button;
}

function block(text, copied) {
  const made = element('div', 'block');
  made.append(element('pre', '', text));
  // Browsers keep the clipboard from pages that came over plain HTTP from another machine.
  if (navigator.clipboard) made.append(copier(copied));
  return made;
}

function draw(entry) {
  const item = element('li');
  item.entry = entry;
  item.dataset.at = entry.at;
  const details = element('details');
  const summary = element('summary');
  const bad = entry.status < 200 || entry.status > 299;
  summary.append(
    element('span', `way ${entry.way}`, entry.way === 'to-bot' ? '→ bot' : '← bot'),
    element('span', 'what', headline(entry)),
    element('span', `status${bad ? ' bad' : ''}`, entry.status || 'dropped'),
    element('span', 'spent', `${Math.round(entry.milliseconds)} ms`)
  );
  details.append(summary);
  // Bodies are written out only when someone looks: most never are.
  details.addEventListener('toggle', () => {
    if (!details.open || details.querySelector('pre')) return;
    details.append(block(`${entry.at}  ${entry.title}\n${pretty(entry.body)}`, pretty(entry.body)));
    if (entry.answer !== null && entry.answer !== '') details.append(block(pretty(entry.answer), pretty(entry.answer)));
  });
  item.append(details);
  if (entry.note) item.append(element('p', 'note', entry.note));
  return item;
}

async function drawAccount(conversation) {
  const answer = await fetch(`/admin/account${conversation ? `?conversation=${encodeURIComponent(conversation)}` : ''}`);
  if (!answer.ok) return;
  const { asked, accepted, kept, duplicated, undelivered } = await answer.json();
  byId('account').textContent = `Sends of the bot${conversation ? ' in this chat' : ''}: ${asked} asked · ${accepted} accepted · ${kept} kept · ${duplicated} duplicated · ${undelivered} undelivered`;
}

async function offerFaults() {
  const { presets } = await (await fetch('/admin/faults')).json();
  const select = byId('fault');
  select.append(new Option('choose …', ''), ...Object.keys(presets).map(name => new Option(name, name)));
  select.addEventListener('change', async () => {
    if (!select.value) return;
    await fetch('/admin/faults', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ preset: select.value, times: 1 })
    });
    select.value = '';
  });
}

// A turn is known when it ended, but it began before the replies that it brought.
function insert(list, item) {
  let before = list.lastElementChild;
  while (before && before.dataset.at > item.dataset.at) before = before.previousElementSibling;
  if (before) before.after(item);
  else list.prepend(item);
}

function holds(item, text) {
  if (!text) return true;
  const { title, body, answer, note } = item.entry;
  item.searched ??= [title, note, pretty(body), pretty(answer)].join('\n').toLowerCase();
  return item.searched.includes(text);
}

function filter(list, conversation) {
  const mine = byId('mine').checked;
  const text = byId('find').value.trim().toLowerCase();
  let shown = 0;
  for (const item of list.children) {
    item.hidden = (mine && item.entry.conversation !== conversation) || !holds(item, text);
    shown += !item.hidden;
  }
  byId('quiet').hidden = shown > 0;
  byId('quiet').textContent = list.children.length ? 'Nothing of this on the wire.' : 'Nothing went over the wire yet.';
}

// A browser tries again by itself when nobody answers, but not after an answer that is an error, of a proxy say.
function follow(shown, answers, last = '') {
  const stream = new EventSource(`/admin/wire/stream${last && `?after=${last}`}`);
  stream.addEventListener('open', () => answers(true));
  stream.addEventListener('error', () => {
    answers(false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => follow(shown, answers, last), RETRY_SECONDS * 1000);
  });
  stream.addEventListener('message', ({ data, lastEventId }) => {
    last = lastEventId;
    shown(JSON.parse(data));
  });
}

/**
 * Show what goes over the wire as it goes; `conversation` tells which one the chat shows, `answers` hears of the channel.
 * Returns what to call when the chat shows another conversation.
 */
export function followWire(conversation, answers) {
  const list = byId('entries');
  let later;
  const count = () => {
    clearTimeout(later);
    later = setTimeout(() => {
      const chosen = byId('mine').checked ? conversation() : '';
      if (chosen !== undefined) drawAccount(chosen).catch(() => {});
    }, 300);
  };
  const look = () => {
    filter(list, conversation());
    count();
  };
  const shown = entry => {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    insert(list, draw(entry));
    while (list.children.length > LONGEST) list.firstChild.remove();
    look();
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  follow(shown, answers);
  byId('mine').addEventListener('change', look);
  byId('find').addEventListener('input', () => filter(list, conversation()));
  byId('clear').addEventListener('click', () => {
    list.replaceChildren();
    look();
  });
  look();
  offerFaults().catch(() => {});
  return look;
}
