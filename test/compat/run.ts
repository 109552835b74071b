/**
 * `npm run compat [-- --record] [--keep <file>]`: builds the node of commit 6fb304d (version 1 of the protocols) and shows that it and a node of
 * today refuse one another with both versions named, at either end, and that today's node takes over its state folder.
 * Needs the repository's history, and npm for what that node needs and nothing of today. Exit code 1 when something did not hold. `--record`
 * writes what held to `sim/RESULTS.md`. `--keep` packs the state folder that the old node has left into a file:
 * `test/fixtures/state-of-0.1.0.tar.gz` is one, which `npm test` has a node of today take over.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { readOptions } from '../../sim/command-options.ts';
import { startProcess } from '../../sim/process.ts';
import { recordResult } from '../../sim/results.ts';
import type { NodeProcess, RunResult } from '../../sim/process.ts';
import { buildOld } from './build-old.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NEW_CLI = join(ROOT, 'dist/cli.js');
const OLD_COMMIT = '6fb304d';
const OLD = /version 1\b/;
const BOTH = /version 1\b[^]*version 2\b|version 2\b[^]*version 1\b/;
const WAIT_MS = 60_000;
const LOOK_MS = 200;

const USAGE = `
npm run compat -- [options]: how a node of version 1 of the protocols, built out of the history, and one of today meet

  --record       write what held to sim/RESULTS.md
  --keep <file>  pack the state folder of the old node into a file
`;
const { values } = readOptions({
  usage: USAGE,
  options: { record: { type: 'boolean', default: false }, keep: { type: 'string' } },
});
const failures: string[] = [];
/** What was looked at, a line each. */
const seen: string[] = [];

function check(what: string, holds: boolean, shown: string): void {
  const line = `${holds ? '✓' : '✗'} ${what}`;
  seen.push(line);
  process.stdout.write(`${line}\n`);
  for (const line of shown.trim().split('\n')) process.stdout.write(`    ${line}\n`);
  if (!holds) failures.push(what);
}

const textOf = ({ stdout, stderr }: RunResult): string => `${stdout}${stderr}`;

/** Asks until the answer is `enough`, or for a minute; gives the last answer. */
async function eventually(ask: () => Promise<string>, enough: RegExp): Promise<string> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const said = await ask();
    if (enough.test(said) || performance.now() > deadline) return said;
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
  }
}

/** Lines of a log that name a version. */
const versionsIn = (log: string): string =>
  [...new Set(log.split('\n').filter((line) => /version/i.test(line)))].slice(-2).join('\n');

/** The address that a node listened on, as it is asked for: its peers look for it there. */
const listenedAt = (addresses: readonly string[]): string =>
  (addresses[0] ?? '').replace(/\/p2p\/.*/, '');

async function main(root: string, running: Set<NodeProcess>): Promise<void> {
  const oldCli = await buildOld(ROOT, OLD_COMMIT, join(root, 'old-source'));
  process.stdout.write(`built ${OLD_COMMIT}\n`);
  const start = async (name: string, cli: string, args: string[] = []): Promise<NodeProcess> => {
    const node = await startProcess({
      cli,
      root,
      name,
      args: ['--log', 'info', ...args],
    });
    running.add(node);
    return node;
  };
  const stop = async (node: NodeProcess): Promise<void> => {
    await node.stop();
    running.delete(node);
  };
  const ticketOf = async (node: NodeProcess): Promise<string> => {
    const { stdout } = await node.run(['invite', '--json']);
    return (JSON.parse(stdout) as { ticket: string }).ticket;
  };

  // A mesh of two old nodes, with a board and a grant.
  const alice = await start('alice', oldCli);
  const bob = await start('bob', oldCli, ['--join', await ticketOf(alice)]);
  await bob.run(['board', 'set', 'notes', 'colour', '"blue"']);
  await bob.run(['board', 'set', 'notes', 'size', '7']);
  await eventually(async () => textOf(await bob.run(['peers'])), /alice\s+alive/);
  const granted = await bob.run(['grant', 'create', 'alice', '--tool', 'files/*']);
  await bob.run(['secret', 'set', 'VAULT'], { stdin: 'kept since then' });
  const { peerId, addresses } = bob.up;
  // Made before the update: it leads to the same address after it.
  const oldTicket = await ticketOf(bob);
  await stop(bob);
  if (values.keep !== undefined) {
    await promisify(execFile)('tar', [
      '-czf',
      resolve(values.keep),
      '-C',
      join(bob.stateDir, '..'),
      'state',
    ]);
  }

  // One of them is updated.
  const updated = await start('bob', NEW_CLI, ['--listen', listenedAt(addresses)]);
  check(
    'a node of today takes over the state folder: identity and mesh',
    updated.up.peerId === peerId && updated.up.mesh.name === alice.up.mesh.name,
    `${updated.up.peerId} in ${updated.up.mesh.name}`,
  );
  const entries = textOf(await updated.run(['board', 'list', 'notes']));
  check('… its boards', /colour/.test(entries) && /size/.test(entries), entries);
  const grants = textOf(await updated.run(['grant', 'list']));
  check('… its grants', granted.code === 0 && /files\/\*/.test(grants), grants);

  const peers = await eventually(async () => textOf(await updated.run(['peers'])), BOTH);
  check('`peers` of the node of today names both versions', BOTH.test(peers), peers);
  const status = textOf(await updated.run(['status']));
  check('… and so does `status`', BOTH.test(status), status);
  const log = await eventually(async () => updated.log(), BOTH);
  check('… and its log', BOTH.test(log), versionsIn(log));
  const oldLog = await eventually(async () => alice.log(), BOTH);
  check('the log of the old node names both versions', BOTH.test(oldLog), versionsIn(oldLog));
  const oldPeers = textOf(await alice.run(['peers']));
  check('`peers` of the old node shows the other as away', !/bob\s+alive/.test(oldPeers), oldPeers);

  // Newcomers of either kind at the other.
  const newcomer = await startProcess({
    cli: NEW_CLI,
    root,
    name: 'carol',
    args: ['--join', await ticketOf(alice)],
  }).then(
    async (node) => {
      await node.stop();
      return 'it was let in';
    },
    (error: unknown) => String(error),
  );
  check('a newcomer of today is refused by an old node with both', BOTH.test(newcomer), newcomer);
  const address = updated.up.addresses[0] ?? '';
  const oldNewcomer = await startProcess({
    cli: oldCli,
    root,
    name: 'dave',
    args: ['--join', oldTicket],
  }).then(
    async (node) => {
      const said = await eventually(async () => node.log(), BOTH);
      await node.stop();
      return versionsIn(said);
    },
    (error: unknown) => String(error),
  );
  check(
    'an old newcomer is refused by a node of today with both',
    BOTH.test(oldNewcomer),
    oldNewcomer,
  );

  // The other is updated too.
  await stop(alice);
  await start('alice', NEW_CLI, ['--bootstrap', address]);
  const together = await eventually(
    async () => textOf(await updated.run(['peers'])),
    /alice\s+alive/,
  );
  check(
    'once both are updated they form their mesh again',
    /alice\s+alive/.test(together),
    together,
  );
  const calm = textOf(await updated.run(['status']));
  check('… and nothing is said of versions any more', !OLD.test(calm), calm);
}

const root = await mkdtemp(join(tmpdir(), 'starling-compat-'));
const running = new Set<NodeProcess>();
try {
  await main(root, running);
} catch (error) {
  failures.push(String(error));
  process.stderr.write(`${String(error)}\n`);
} finally {
  await Promise.all([...running].map((node) => node.stop()));
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}
const verdict = failures.length === 0 ? 'all of it holds' : `${failures.length} did not hold`;
process.stdout.write(`${verdict}\n`);
if (values.record) {
  const text = [`a node of ${OLD_COMMIT} and one of today`, ...seen, verdict].join('\n');
  recordResult({ name: 'compat', command: 'npm run compat -- --record', text });
}
process.exitCode = failures.length === 0 ? 0 : 1;
