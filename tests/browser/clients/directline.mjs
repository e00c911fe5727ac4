// DirectLineJS under Node: options as JSON in argv[2], commands as JSON lines on stdin, events as JSON lines on stdout.
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import XMLHttpRequest from 'xhr2';

globalThis.XMLHttpRequest = XMLHttpRequest;
globalThis.WebSocket = WebSocket;
const { DirectLine, ConnectionStatus } = (await import('botframework-directlinejs')).default;

const say = event => process.stdout.write(`${JSON.stringify(event)}\n`);
const line = new DirectLine(JSON.parse(process.argv[2]));

line.connectionStatus$.subscribe(status => say({ status: ConnectionStatus[status] }));
line.activity$.subscribe(
  activity => say({ activity }),
  error => say({ error: String(error) })
);

for await (const text of createInterface({ input: process.stdin })) {
  const command = JSON.parse(text);
  if (command.end) {
    line.end();
    process.exit(0);
  }
  line.postActivity(command.post).subscribe(
    id => say({ posted: id }),
    error => say({ refused: String(error) })
  );
}
