/** What is said of budgets, and the signed texts that it carries. */
import { endingIdOf, readEnding, signEnding } from '../../src/budget/rows/ending-format.ts';
import {
  budgetIdOf,
  readRow,
  rowHash,
  signRow,
  signRows,
} from '../../src/budget/rows/row-format.ts';
import { decodeBudgetMessage, encodeBudgetMessage } from '../../src/budget/sync/row-messages.ts';
import type { BudgetMessage } from '../../src/budget/sync/row-messages.ts';
import type { BudgetRow } from '../../src/budget/types.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, founder, member, text, utf8 } from './world.ts';
import type { WireCase } from './world.ts';

const ID = budgetIdOf(founder.did, 'research', NOW_MS);
const FOUNDERS: BudgetRow = {
  budget: ID,
  owner: founder.did,
  seq: 4,
  spent: 250,
  held: 30,
  out: { [member.did]: 400 },
  terms: {
    name: 'research',
    unit: 'calls',
    limit: 1000,
    createdAt: NOW_MS,
    shares: { [member.did]: 300 },
    for: 'tool:search/*',
    everyMs: 3_600_000,
  },
  acts: { closed: true, reclaimed: { [member.did]: 5 } },
};
const MEMBERS: BudgetRow = {
  budget: `${ID}/12`,
  owner: member.did,
  seq: 2,
  spent: 7,
  held: 0,
  out: {},
};
const OTHERS: BudgetRow = { ...MEMBERS, budget: `${ID}/13`, seq: 1 };
const ENDING = {
  founder: founder.did,
  part: 3,
  seq: 2,
  until: NOW_MS,
  kept: new Set(['abcdef', 'ghijkl']),
};

const NOTES: Notes = {
  t: 'kind of the message',
  digests: 'each budget, or time of one, with the digest of its rows; endings as well',
  rows: 'of each budget its rows: owner, seq, first 16 characters of the hash',
  last: 'no further list comes',
  jws: 'signed rows and endings, at most 512',
};
const MESSAGES: readonly (readonly [string, BudgetMessage])[] = [
  [
    'which budgets I know',
    {
      t: 'have',
      digests: [
        [ID, 'beef01'],
        [endingIdOf(founder.did, 3), 'beef02'],
      ],
    },
  ],
  [
    'which rows I have of one that differs',
    { t: 'list', rows: [[ID, [[founder.did, 4, rowHash(FOUNDERS)]]]], last: true },
  ],
  ['what you lack', { t: 'rows', jws: ['first.row.sig', 'second.row.sig'] }],
  ['that was all', { t: 'rows', jws: [] }],
];

// Nobody has changed a key.
const successions = { origin: <Key>(did: Key): Key => did };

const rowCase = (title: string, row: BudgetRow, write: () => string): WireCase => ({
  file: 'budgets',
  title,
  kind: 'text',
  write: () => text(write()),
  read(bytes) {
    const read = readRow(utf8(bytes), successions);
    read.verify();
    return { row: read.row, issuer: read.issuer };
  },
  value: { row, issuer: row.owner },
});

/** The cases, in the order of the fixture. */
export const BUDGET_CASES: readonly WireCase[] = [
  ...MESSAGES.map(([title, message]): WireCase => ({
    file: 'budgets',
    title,
    kind: 'cbor',
    notes: NOTES,
    write: () => encodeBudgetMessage(message),
    read: decodeBudgetMessage,
    value: message,
  })),
  rowCase("the founder's row, with terms and acts", FOUNDERS, () => signRow(founder, FOUNDERS)),
  rowCase(
    'a row of one time, signed together with another',
    MEMBERS,
    () => signRows(member, [MEMBERS, OTHERS])[0] ?? '',
  ),
  {
    file: 'budgets',
    title: 'these budgets are over',
    kind: 'text',
    write: () => text(signEnding(founder, ENDING)),
    read(bytes) {
      const read = readEnding(utf8(bytes), successions);
      read.verify();
      return read.ending;
    },
    value: ENDING,
  },
];
