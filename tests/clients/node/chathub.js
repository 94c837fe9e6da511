/**
 * The ChatHub calls of the operators page, as a Node service makes them with axios.
 *
 * Lists are asked for with axios's own `Accept`, a list of three media types, not with the `text/plain` of the page: that
 * is what a service sends that never thought about it. Nothing here waits between calls or keeps a list; pacing and
 * caching are what the gateway is for.
 */

import http from 'node:http';
import https from 'node:https';

import axios from 'axios';

export const Status = Object.freeze({ ACTIVE: 0, INACTIVE: 1, DELETED: 2 });

/** Operators in one synchronize call, as the page's sample has it. */
const CHUNK = 100;

/** Milliseconds for an answer; a gateway may let a request wait for its turn. */
const TIMEOUT = 30_000;

/** One company's view of ChatHub, over one connection that is kept. */
export class ChatHub {
  #http;

  /**
   * @param {string} baseUrl
   * @param {Record<string, string>} credential the field that carries it
   * @param {(answer: import('axios').AxiosResponse) => void} observe is told every answer, good or bad
   */
  constructor(baseUrl, credential, observe) {
    this.#http = connect(baseUrl, credential, observe);
  }

  /** All operators of an organization, deleted ones too. */
  async listOperators(organizationId) {
    const { data } = await this.#http.get('/api/operator', { params: { organizationId } });
    return data;
  }

  /** Those who can take chats. */
  async activeOperators(organizationId) {
    const operators = await this.listOperators(organizationId);
    return operators.filter(({ status }) => status === Status.ACTIVE);
  }

  /** The first operator of this name, in whatever case, or undefined. */
  async findOperator(organizationId, name) {
    const operators = await this.listOperators(organizationId);
    return operators.find((operator) => operator.name.toLowerCase() === name.toLowerCase());
  }

  /** Adds operators; the same name twice makes two. */
  async addOperators(organizationId, names) {
    const items = names.map((name) => ({ organizationId, name }));
    const { data } = await this.#http.post('/api/operator/synchronize', items);
    return data;
  }

  /** Adds many operators and yields each chunk as it has been added. */
  async *importOperators(organizationId, names) {
    for (let start = 0; start < names.length; start += CHUNK) {
      yield await this.addOperators(organizationId, names.slice(start, start + CHUNK));
    }
  }

  /** Adds those whose names are not listed yet. */
  async addMissing(organizationId, names) {
    const operators = await this.listOperators(organizationId);
    const listed = new Set(operators.map(({ name }) => name.toLowerCase()));
    const missing = names.filter((name) => !listed.has(name.toLowerCase()));
    return missing.length > 0 ? this.addOperators(organizationId, missing) : [];
  }

  /** Switches an operator on or off, or deletes it. */
  async setStatus(id, status) {
    await this.#http.post('/api/operator/status', { id, status });
  }

  /** How many operators there are, in all and by status. */
  async statistics(organizationId) {
    const operators = await this.listOperators(organizationId);
    const having = (wanted) => operators.filter(({ status }) => status === wanted).length;
    return {
      total: operators.length,
      active: having(Status.ACTIVE),
      inactive: having(Status.INACTIVE),
      deleted: having(Status.DELETED),
    };
  }

  /** The company's organizations. */
  async organizations() {
    const { data } = await this.#http.get('/api/company/organization');
    return data;
  }

  /** A token for one operator, which lives for a day at most. */
  async operatorToken(id, expiresAt) {
    const { data } = await this.#http.post('/api/operator/get-token', { id, expiresAt });
    return tokenIn(data);
  }

  /** The verdict on an operator's token. */
  async validateToken(token) {
    const { data } = await this.#http.post('/api/operator/validate-token', { token });
    return data;
  }
}

/** Exchanges login and password for a company token. */
export async function logIn(baseUrl, login, password, observe) {
  const { data } = await connect(baseUrl, {}, observe).post('/api/company/get-token', { login, password });
  return tokenIn(data);
}

function connect(baseUrl, headers, observe) {
  const client = axios.create({
    baseURL: baseUrl,
    headers,
    timeout: TIMEOUT,
    httpAgent: new http.Agent({ keepAlive: true }),
    httpsAgent: new https.Agent({ keepAlive: true }),
  });
  client.interceptors.response.use(
    (answer) => {
      observe(answer);
      return answer;
    },
    (error) => {
      if (error.response) {
        observe(error.response);
      }
      throw error;
    },
  );
  return client;
}

/** Reads a token in any of its three shapes; axios has parsed what was JSON, a quoted string too. */
function tokenIn(data) {
  return typeof data === 'string' ? data.trim() : data.token;
}
