/**
 * A morning's work with ChatHub: the calls of the operators page, each checked by listing again.
 *
 * It takes its settings from the environment and expects the data that a new emulator has. It runs alike against ChatHub
 * itself and against a gateway in front of it, which is the point: the two transcripts must be the same.
 *
 *     CHATHUB_URL=http://127.0.0.1:2430 CHATHUB_LOGIN=… CHATHUB_PASSWORD=… CHATHUB_KEY=… node scenario.js
 */

import axios from 'axios';

import { ChatHub, Status, logIn } from './chathub.js';
import { Transcript } from './transcript.js';

const ORGANIZATION = 24;
const NEWCOMERS = ['Alex Brown', 'Emma Davis'];
const IMPORTED = Array.from({ length: 250 }, (_, index) => importedName(index + 1));
const EXPECTED = ['john smith', 'Nora Field', 'Ївга Петрик'];
const UNKNOWN_OPERATOR = 999_999;

/** Plays all scenes, in this order: later ones count on what earlier ones added. */
async function play({ CHATHUB_URL: url, CHATHUB_LOGIN: login, CHATHUB_PASSWORD: password, CHATHUB_KEY: key }) {
  const transcript = new Transcript();
  const token = await logIn(url, login, password, transcript.saw);
  const chathub = new ChatHub(url, bearer(token), transcript.saw);

  await read(chathub, transcript);
  const [first, second] = await addTwo(chathub, transcript);
  await switchStatus(chathub, first);
  await bulkImport(chathub, transcript);
  await count(chathub, transcript);
  await addOnlyMissing(chathub, transcript);
  await readOrganizations(chathub);
  await onboard(chathub, transcript, url, second);
  await beRefused(chathub, transcript);
  await useAWrongToken(transcript, url, `${token}x`);
  await useTheProfileKey(transcript, url, key);
}

async function read(chathub, transcript) {
  const everyone = await chathub.listOperators(ORGANIZATION);
  const active = await chathub.activeOperators(ORGANIZATION);
  check(everyone.length === 3 && active.length === 2, 'a new emulator lists three operators, two of them active');
  transcript.result('active operators', namesOf(active));
}

async function addTwo(chathub, transcript) {
  const added = await chathub.addOperators(ORGANIZATION, NEWCOMERS);
  check(areEqual(namesOf(added), NEWCOMERS), 'the answer names those who were added, in order');
  for (const { id } of added) {
    await checkStatus(chathub, id, Status.ACTIVE);
  }
  const found = await chathub.findOperator(ORGANIZATION, 'alex brown');
  check(found?.id === added[0].id, 'who was added is found by name, in whatever case');
  transcript.result('found by name', found);
  return added.map(({ id }) => id);
}

async function switchStatus(chathub, id) {
  for (const status of [Status.INACTIVE, Status.ACTIVE, Status.DELETED]) {
    await chathub.setStatus(id, status);
    await checkStatus(chathub, id, status);
  }
}

async function bulkImport(chathub, transcript) {
  const chunks = [];
  for await (const added of chathub.importOperators(ORGANIZATION, IMPORTED)) {
    chunks.push(added.length);
    const listed = idsOf(await chathub.listOperators(ORGANIZATION));
    const isListed = added.every(({ id }) => listed.has(id));
    check(isListed, `chunk ${chunks.length} of the import is listed once it was added`);
  }
  check(areEqual(chunks, [100, 100, 50]), `250 names are imported as 100, 100 and 50, not as ${chunks}`);
  const listed = new Set(namesOf(await chathub.listOperators(ORGANIZATION)));
  check(IMPORTED.every((name) => listed.has(name)), 'every imported name is listed');
  transcript.result('imported', { chunks, listed: listed.size });
}

async function count(chathub, transcript) {
  const statistics = await chathub.statistics(ORGANIZATION);
  const { total, active, inactive, deleted } = statistics;
  check(
    areEqual([total, active, inactive, deleted], [255, 253, 1, 1]),
    `3 seeded, 2 added and 250 imported, one inactive and one deleted; not ${JSON.stringify(statistics)}`,
  );
  transcript.result('statistics', statistics);
}

async function addOnlyMissing(chathub, transcript) {
  const first = await chathub.addMissing(ORGANIZATION, EXPECTED);
  check(areEqual(namesOf(first), EXPECTED.slice(1)), 'only those who were missing are added');
  const second = await chathub.addMissing(ORGANIZATION, EXPECTED);
  check(second.length === 0, `nobody is missing the second time, yet ${second.length} were added`);
  transcript.result('missing added', [first.length, second.length]);
}

async function readOrganizations(chathub) {
  const first = await chathub.organizations();
  const second = await chathub.organizations();
  check(idsOf(first).has(ORGANIZATION), `organization ${ORGANIZATION} is among the company's`);
  check(areEqual(first, second), 'the organizations do not change between two reads');
}

async function onboard(chathub, transcript, url, id) {
  const expiresAt = new Date(Date.now() + 8 * 60 * 60 * 1000).toISOString();
  const token = await chathub.operatorToken(id, expiresAt);
  const verdict = await chathub.validateToken(token);
  check(verdict.isValid && verdict.operatorId === id, "the operator's new token is valid");
  const operator = new ChatHub(url, bearer(token), transcript.saw);
  const listed = idsOf(await operator.listOperators(ORGANIZATION));
  check(listed.has(id), 'an operator finds itself in its list');
}

async function beRefused(chathub, transcript) {
  const nameless = await refusal(chathub.addOperators(ORGANIZATION, [' ']));
  check(nameless.status === 400, `a blank name is refused with 400, not with ${nameless.status}`);
  const unknown = await refusal(chathub.setStatus(UNKNOWN_OPERATOR, Status.INACTIVE));
  check(unknown.status === 404, `an unknown operator is answered with 404, not with ${unknown.status}`);
  transcript.result('refused', [nameless.status, unknown.status]);
}

async function useAWrongToken(transcript, url, token) {
  const stranger = new ChatHub(url, bearer(token), transcript.saw);
  const { status, headers } = await refusal(stranger.listOperators(ORGANIZATION));
  const challenge = headers['www-authenticate'] ?? '';
  check(status === 401, `a wrong token is answered with 401, not with ${status}`);
  check(challenge.startsWith('Bearer error="invalid_token"'), `the challenge says what is wrong: ${challenge}`);
}

async function useTheProfileKey(transcript, url, key) {
  const byKey = new ChatHub(url, { 'X-Authorization-Key': key }, transcript.saw);
  const listed = await byKey.listOperators(ORGANIZATION);
  transcript.result('listed by key', listed.length);
  check(listed.length === 257, `the profile key lists all 257 operators, not ${listed.length}`);
}

/** The answer of a call that must fail. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    if (axios.isAxiosError(error) && error.response) {
      return error.response;
    }
    throw error;
  }
  throw new Expectation('the call was to be refused, and was not');
}

/** Lists anew and looks for the operator: what was written must show. */
async function checkStatus(chathub, id, status) {
  const listed = await chathub.listOperators(ORGANIZATION);
  const seen = listed.find((operator) => operator.id === id)?.status;
  check(seen === status, `the list after a write shows status ${status}, not ${seen}`);
}

function importedName(number) {
  const digits = String(number).padStart(3, '0');
  return number % 10 === 0 ? `Агент ${digits}` : `Agent ${digits}`;
}

const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const idsOf = (items) => new Set(items.map(({ id }) => id));
const namesOf = (items) => items.map(({ name }) => name);
const areEqual = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** What the scenario expected and did not see. */
class Expectation extends Error {}

function check(holds, expectation) {
  if (!holds) {
    throw new Expectation(`expected: ${expectation}`);
  }
}

// An axios error printed whole would show the token it was sent with.
play(process.env).catch((error) => {
  console.error(`scenario: ${error.message}`);
  process.exitCode = 1;
});
