/**
 * One connection to the hub, and what was heard over it.
 *
 * SignalR's client says nothing of a ping, and nothing of a poll that brought nothing. Both are signs of life, and the
 * second is all that a client hears of a silent hub if it polls. They are taken from where the client lets one look:
 * its log and its HTTP.
 */

import { DefaultHttpClient, HubConnectionBuilder, LogLevel, NullLogger } from '@microsoft/signalr';

/** Milliseconds until something that was to come has not come. */
const PATIENCE_MS = 20_000;

const EVENTS = ['ReceiveMessage', 'ReceiveMediaMessage', 'ChatStatusChanged', 'MessageStatusChanged', 'ChatCreated'];

const PING = '{"type":6}';

export class Conversation {
  /** How often the hub has shown that it lives, while it had nothing to say. */
  signsOfLife = 0;

  #connection;
  #closed;
  /** By event: those who wait for one, and those nobody has waited for. */
  #expected = new Map(EVENTS.map((event) => [event, []]));
  #unheard = new Map(EVENTS.map((event) => [event, []]));

  /**
   * @param {string} baseUrl
   * @param {string} token
   * @param {import('@microsoft/signalr').IHttpConnectionOptions} carrier
   * @param {import('./transcript.js').Transcript} transcript
   */
  constructor(baseUrl, token, carrier, transcript) {
    const options = {
      ...carrier,
      accessTokenFactory: () => token,
      httpClient: new WatchedHttpClient((request, response) => this.#watch(request, response, transcript)),
      logMessageContent: true,
    };
    const builder = new HubConnectionBuilder().withUrl(`${baseUrl}/chathub`, options);
    this.#connection = builder.configureLogging({ log: (level, text) => this.#note(level, text) }).build();
    this.#closed = new Promise((resolve) => this.#connection.onclose((error) => resolve(error?.message ?? null)));
    EVENTS.forEach((event) => this.#connection.on(event, (message) => this.#hear(event, message)));
  }

  /** Connects and shakes hands. */
  begin() {
    return inTime(this.#connection.start(), 'the beginning of the connection');
  }

  /** Calls a method of the hub; resolves with what it returns. */
  invoke(method, ...values) {
    return inTime(this.#connection.invoke(method, ...values), `the end of ${method}`);
  }

  /** Calls a method of the hub whose end is not waited for. */
  send(method, ...values) {
    return this.#connection.send(method, ...values);
  }

  /** The next event of this name: one that has come already, or else one that will. */
  heard(event) {
    if (this.#unheard.get(event).length > 0) {
      return Promise.resolve(this.#unheard.get(event).shift());
    }
    return inTime(new Promise((resolve) => this.#expected.get(event).push(resolve)), event);
  }

  /** Whether no event came that was not waited for. */
  get isAllHeard() {
    return [...this.#unheard.values()].every((messages) => messages.length === 0);
  }

  /** Says goodbye; tells how that went. */
  async end() {
    await inTime(this.#connection.stop(), 'the end of the connection');
    return { error: await inTime(this.#closed, 'that the connection is closed'), state: this.#connection.state };
  }

  #hear(event, message) {
    const [expected, unheard] = [this.#expected.get(event), this.#unheard.get(event)];
    expected.length > 0 ? expected.shift()(message) : unheard.push(message);
  }

  #note(level, text) {
    this.signsOfLife += level === LogLevel.Trace && text.includes('data received') && text.includes(PING);
  }

  #watch({ method, url }, { statusCode, content }, transcript) {
    if (new URL(url).pathname.endsWith('/negotiate')) {
      transcript.result('connecting: negotiated', { status: statusCode, answer: JSON.parse(content) });
    }
    this.signsOfLife += method === 'GET' && statusCode === 200 && content === '';
  }
}

/** The client's own HTTP, watched. */
class WatchedHttpClient extends DefaultHttpClient {
  #watch;

  constructor(watch) {
    super(NullLogger.instance);
    this.#watch = watch;
  }

  async send(request) {
    const response = await super.send(request);
    this.#watch(request, response);
    return response;
  }
}

/** Fails if it takes too long: a connection from which nothing comes looks like one on which nothing happens. */
async function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
