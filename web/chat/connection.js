// ConnectionStatus of DirectLineJS; from EXPIRED on it has ended, and Web Chat with it.
const [ONLINE, EXPIRED] = [2, 3];
// DirectLineJS stops looking for its stream after 15 minutes, without a word.
const PATIENCE = 14 * 60_000;
const RETRY_SECONDS = 3;
const banner = document.getElementById('trouble');
let lostAt = 0;
let over = false;
let watched;
let goOn = () => {};

function tell(text, button) {
  banner.querySelector('span').textContent = text;
  banner.querySelector('button').hidden = !button;
  banner.hidden = !text;
}

function stop(text) {
  over = true;
  tell(text, true);
}

function goesOn() {
  if (over) tell('', false);
  over = false;
}

/** What `grant` gives in the end; that there is none yet is told. */
export async function persistently(grant) {
  for (;;) {
    try {
      return await grant();
    } catch {
      stop('The channel gives no token for the chat, and is asked again.');
      await new Promise(later => { setTimeout(later, RETRY_SECONDS * 1000); });
    }
  }
}

/** Say that the channel does not answer, or that it does again. */
export function answers(yes) {
  const away = lostAt ? Date.now() - lostAt : 0;
  if (!yes) lostAt ||= Date.now();
  else lostAt = 0;
  if (!over) tell(yes ? '' : 'The channel does not answer. The chat goes on by itself when it is back.', false);
  if (yes && away > PATIENCE) goOn();
}

/** Call `again` when a connection ends that was there, by a token that expired while the computer slept say. */
export function watch(directLine, again) {
  let [online, ended] = [false, false];
  watched = directLine;
  goOn = again;
  directLine.connectionStatus$.subscribe(status => {
    if (directLine !== watched) return;
    if (status === ONLINE) goesOn();
    online ||= status === ONLINE;
    if (status < EXPIRED || ended) return;
    ended = true;
    if (online) again();
    else stop('The chat cannot go on here. Reload to take it up again.');
  });
}

/** Say at once that a message was not taken: DirectLineJS gives "retry" as its id, and Web Chat waits 20 s for an echo. */
export function failAtOnce(directLine) {
  const post = directLine.postActivity.bind(directLine);
  directLine.postActivity = activity =>
    post(activity).map(id => {
      if (id === 'retry') throw new Error('the message was not taken');
      return id;
    });
}

banner.querySelector('button').addEventListener('click', () => location.reload());
