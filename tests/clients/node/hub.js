/**
 * A conversation with the hub, as a service holds it with SignalR's own client.
 *
 * The argument names what carries it: `WebSockets`, `ServerSentEvents`, `LongPolling`, or `WebSocketsAlone`, a
 * WebSocket without negotiation. Whatever carries it, the client must see the same, so nothing is printed that depends
 * on how its bytes were cut on the way: not when an event came, how many came together, or how often was polled. Only
 * the steps named "connecting" differ.
 *
 * A hub pings each 15 seconds and ends a poll after 90. Nobody waits that long here: the emulator's clock is moved.
 *
 *     CHATHUB_URL=http://127.0.0.1:2430 CHATHUB_CONTROL=http://127.0.0.1:2431 CHATHUB_LOGIN=… CHATHUB_PASSWORD=… \
 *       node hub.js WebSockets
 */

import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual as areEqual } from 'node:util';

import { HttpTransportType } from '@microsoft/signalr';
import axios from 'axios';

import { logIn } from './chathub.js';
import { Conversation } from './conversation.js';
import { Transcript } from './transcript.js';

const CARRIERS = {
  WebSockets: { transport: HttpTransportType.WebSockets },
  ServerSentEvents: { transport: HttpTransportType.ServerSentEvents },
  LongPolling: { transport: HttpTransportType.LongPolling },
  WebSocketsAlone: { transport: HttpTransportType.WebSockets, skipNegotiation: true },
};

const CHAT = 1001;

/** Invocations made before the first is answered. */
const AT_ONCE = 30;

/** The server's interval of pings. */
const PING_INTERVAL_MS = 15_000;

/** Real time for what the moved clock brings about. */
const PATIENCE_MS = 20_000;

/** Plays all scenes in this order. */
async function play(carrier, { CHATHUB_URL: url, CHATHUB_CONTROL: control, ...credentials }) {
  check(carrier in CARRIERS, `an argument among ${Object.keys(CARRIERS)}`);
  const transcript = new Transcript();
  const token = await logIn(url, credentials.CHATHUB_LOGIN, credentials.CHATHUB_PASSWORD, transcript.saw);
  const converse = (as) => new Conversation(url, as, CARRIERS[carrier], transcript);

  await beRefused(converse(`${token}x`), transcript);
  const conversation = converse(token);
  await conversation.begin();
  await sayHello(conversation, transcript);
  await sendPicture(conversation, transcript);
  await callWhatIsNotThere(conversation, transcript);
  await tellWithoutWaiting(conversation, transcript);
  await sayMuch(conversation, transcript);
  await sayManyThingsAtOnce(conversation, transcript);
  await keepSilent(conversation, control, transcript);
  await end(conversation, transcript);
}

async function beRefused(stranger, transcript) {
  const refusal = await failure(stranger.begin());
  transcript.result('connecting: refused', refusal.message);
}

async function sayHello(conversation, transcript) {
  const text = 'Добрий день 👋\r\n\r\ndata: {"type":7}\u001e';
  const completed = await conversation.invoke('SendMessage', CHAT, text);
  const message = await conversation.heard('ReceiveMessage');
  check(message.chatId === CHAT && message.textMessage === text, 'the hub echoes the text, whatever is in it');
  transcript.result('said', { completed, message });
}

async function sendPicture(conversation, transcript) {
  const dataBase64 = Buffer.from(Array.from({ length: 1 << 20 }, (_, at) => at % 251)).toString('base64');
  const picture = { name: 'кіт.png', format: 'image/png', dataBase64, type: 1 };
  const completed = await conversation.invoke('SendMediaMessage', CHAT, picture);
  const { media } = await conversation.heard('ReceiveMediaMessage');
  check(areEqual(media, picture), 'the hub echoes the picture');
  transcript.result('sent a picture', { completed, media: { ...media, dataBase64: summary(media.dataBase64) } });
}

async function callWhatIsNotThere(conversation, transcript) {
  const refusal = await failure(conversation.invoke('NoSuchCall', CHAT));
  transcript.result('called what is not there', refusal.message);
}

/** An invocation that asks for no completion; its event is all that comes back. */
async function tellWithoutWaiting(conversation, transcript) {
  await conversation.send('SendMessage', CHAT, 'no answer needed');
  transcript.result('told without waiting', await conversation.heard('ReceiveMessage'));
}

async function sayMuch(conversation, transcript) {
  const text = Array.from({ length: 20_000 }, (_, number) => `№${number} `).join('').slice(0, 100 * 1024);
  const completed = await conversation.invoke('SendMessage', CHAT, text);
  const { textMessage } = await conversation.heard('ReceiveMessage');
  check(textMessage === text, 'the hub echoes a long text whole');
  transcript.result('said much', { completed, text: summary(textMessage) });
}

async function sayManyThingsAtOnce(conversation, transcript) {
  const texts = Array.from({ length: AT_ONCE }, (_, number) => `${number}${' and so on'.repeat(number * 10)}`);
  const completed = await Promise.all(texts.map((text) => conversation.invoke('SendMessage', CHAT, text)));
  const heard = [];
  for (const _ of texts) {
    heard.push((await conversation.heard('ReceiveMessage')).textMessage);
  }
  check(areEqual(heard, texts), 'what was said at once is heard in order');
  transcript.result('said at once', { completed: completed.length, texts: summary(heard.join('')) });
}

/** Lets the hub have nothing to say until it shows that it lives, and speaks again. */
async function keepSilent(conversation, control, transcript) {
  const [before, deadline] = [conversation.signsOfLife, Date.now() + PATIENCE_MS];
  while (conversation.signsOfLife === before) {
    check(Date.now() < deadline, 'a silent hub pings, or ends a poll');
    // Again and again: the hub may not have begun to wait.
    await axios.post(`${control}/clock`, { advanceMs: PING_INTERVAL_MS });
    await pause(20);
  }
  const completed = await conversation.invoke('SendMessage', CHAT, 'Are you there?');
  transcript.result('after a silence', { completed, message: await conversation.heard('ReceiveMessage') });
}

async function end(conversation, transcript) {
  transcript.result('ended', await conversation.end());
  check(conversation.isAllHeard, 'nothing was heard that was not expected');
}

/** The error of what must fail. */
async function failure(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Expectation('expected: the hub refuses, and it did not');
}

/** What two runs can be compared by, of a text too long to print. */
function summary(text) {
  return { length: text.length, sha256: createHash('sha256').update(text).digest('hex') };
}

/** What was expected and not seen. */
class Expectation extends Error {}

function check(holds, expectation) {
  if (!holds) {
    throw new Expectation(`expected: ${expectation}`);
  }
}

// An error printed whole would show the token that the call was made with.
play(process.argv[2], process.env).catch((error) => {
  console.error(`hub: ${error.message}`);
  process.exitCode = 1;
  // An open connection would keep the program alive.
  process.exit();
});
