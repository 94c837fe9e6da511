/**
 * Prints what the client saw, one line of JSON for each answer and each result.
 *
 * Two runs of the same scenario must print the same, so what may differ between runs is replaced: tokens, dates, trace
 * ids, and the ids of new operators, which are counted from the first. Only what the client read is shown: how the answer
 * was framed on the wire, or what a gateway adds to it, is not.
 */

const TOKEN = /[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g;
const VARYING = {
  expiresAt: '<date>',
  traceId: '<trace>',
  date: '<date>',
  connectionId: '<connection>',
  connectionToken: '<connection>',
};
const IDS = new Set(['id', 'operatorId']);

/** Standard output, with one memory: the id of the first operator that was added. */
export class Transcript {
  #firstNewId = Infinity;

  /** Prints an answer; bound, to be handed on as an observer. */
  saw = (answer) => {
    const target = pathAndQuery(answer.config);
    this.#learn(target, answer);
    this.#print({
      saw: `${answer.config.method.toUpperCase()} ${target}`,
      status: answer.status,
      contentType: answer.headers['content-type'] ?? null,
      challenge: answer.headers['www-authenticate'] ?? null,
      body: answer.data,
    });
  };

  /** Prints what the scenario made of the answers. */
  result(step, value) {
    this.#print({ step, result: value });
  }

  #learn(target, { status, data }) {
    if (this.#firstNewId === Infinity && target.endsWith('/synchronize') && status === 200) {
      this.#firstNewId = data[0].id;
    }
  }

  #print(members) {
    console.log(JSON.stringify(members, (name, value) => this.#normalised(name, value)));
  }

  #normalised(name, value) {
    if (typeof value === 'string') {
      return VARYING[name] ?? value.replace(TOKEN, '<token>');
    }
    const isNew = IDS.has(name) && value >= this.#firstNewId;
    return isNew ? `new+${value - this.#firstNewId}` : value;
  }
}

function pathAndQuery({ baseURL, url, params }) {
  const target = new URL(url, baseURL);
  Object.entries(params ?? {}).forEach(([name, value]) => target.searchParams.set(name, value));
  return target.pathname + target.search;
}
