/** `starling up` */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../../config/index.ts';
import type { Config, ConfigSources } from '../../config/index.ts';
import { readAbout } from '../../config/known-nodes.ts';
import { defaultStateDir } from '../../config/paths.ts';
import { systemClock } from '../../core/clock.ts';
import { refuseDebugger } from '../../core/debugger.ts';
import { settledWithin } from '../../core/wait.ts';
import { createNode } from '../../node.ts';
import type { PeerView } from '../../membership/index.ts';
import type { StarlingNode } from '../../node.ts';
import { secretFilesOf } from '../node/secret-files.ts';
import { tellOfApprovals } from '../terminal/approval-lines.ts';
import { tellOfStrangers } from '../terminal/stranger-lines.ts';
import { describeStatus } from '../terminal/node-status.ts';
import { flush, paint, paintTalk, print, printError, safeLine, tell } from '../terminal/output.ts';
import { passphraseOf } from '../terminal/passphrase.ts';
import type { Passphrases } from '../terminal/passphrase.ts';
import { createProgress } from '../terminal/progress.ts';
import { StarlingError } from '../../core/errors.ts';
import { askToMove } from '../terminal/ask-to-move.ts';
import { tellOfNames } from '../terminal/name-lines.ts';
import { reloadOnChange } from '../node/config-reload.ts';
import { namedStateDir } from '../node/locate-node.ts';
import type { Progress } from '../terminal/progress.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { readStdin } from '../terminal/stdin.ts';

const STOP_TIMEOUT_MS = 5000;
const INTERRUPTED = 130;

interface UpOptions extends CommonOptions {
  readonly name?: string;
  readonly join?: string;
  readonly knock?: string;
  readonly bootstrap?: readonly string[];
  readonly open?: string | true;
  readonly meshName?: string;
  readonly listen?: readonly string[];
  readonly announce?: readonly string[];
  readonly httpPort?: number;
  readonly httpHost?: string;
  readonly http: boolean;
  readonly tcp?: number | true;
  readonly mdns: boolean;
  readonly relay: boolean;
  readonly log?: string;
  readonly yes?: boolean;
  readonly invite?: boolean;
}

/** Runs a node until it is told to stop; gives the exit code. */
export async function run(options: UpOptions): Promise<number> {
  // The passphrase is taken first, so that no other code and no child process sees it.
  const passphrase = passphraseOf(process.env);
  const place = await placeOf(options);
  const sources: ConfigSources = {
    ...(place.file === undefined ? {} : { file: place.file }),
    env: process.env,
    flags: { ...(await flagsOf(options)), ...place.flags },
  };
  const config = await loadConfig(sources);
  refuseDebugger();
  const progress = createProgress(options.json !== true);
  const told = untilTold();
  try {
    return await live({ config, sources, options, progress, passphrase, told });
  } catch (error) {
    progress.done();
    // Signal handlers and libp2p's timers would keep the process, if this only returned.
    const code = printError(error, options.json === true);
    await flush();
    return process.exit(code);
  }
}

interface Life {
  readonly config: Config;
  readonly sources: ConfigSources;
  readonly options: UpOptions;
  readonly progress: Progress;
  readonly passphrase: Passphrases;
  readonly told: Promise<void>;
}

async function live(life: Life): Promise<number> {
  const { config, sources, options, progress, passphrase, told } = life;
  const made = createNode(config, {
    passphrase,
    progress: (line) => progress.show(line),
    secretFiles: () => secretFilesOf(config, process.env),
    async mayMove(from, to) {
      if (options.yes === true) return true;
      if (options.json === true || options.join === '-') return false;
      progress.done();
      return askToMove(from, to);
    },
  });
  const node = await Promise.race([made, told]);
  if (node === undefined) {
    // The node was told to stop while it looked for its mesh: it is no member, so it leaves nothing.
    progress.done();
    await flush();
    return process.exit(0);
  }
  tellOfStrangers(node.events, options.json === true);
  node.events.on('dial:failed', (_, error) => {
    // Why this node is not let in is told once, as the error that ends it.
    if (!TOLD_AT_THE_END.includes(codeOf(error))) progress.note(error.message);
  });
  const over = untilOver(node, options.json === true);
  const started = await Promise.race([
    node.start().then(() => true),
    told.then(() => false),
    over.then(() => false),
  ]);
  progress.done();
  if (started) {
    await announce(node, options);
    await passphrase.tellIfUnused(config.stateDir);
    tellOfPeers(node, options.json === true);
    tellOfNames(node, options.json === true);
    tellOfApprovals(node.approvals, options.json === true);
    const stopWatching = reloadOnChange(node, sources, options.json === true);
    await Promise.race([told, over]);
    stopWatching();
  }
  return stop(node, await Promise.race([over, told.then(() => 0)]));
}

/** Errors of a dial by which somebody has told this node that it does not belong there. */
const TOLD_AT_THE_END: readonly string[] = ['STARLING_MEMBERSHIP_ENDED', 'STARLING_MESH_MISMATCH'];

function codeOf(error: Error): string {
  return error instanceof StarlingError ? error.code : '';
}

/** Resolves with the exit code once this node belongs to its mesh no more: 1 when it was put out, 0 when it left. */
function untilOver(node: StarlingNode, json: boolean): Promise<number> {
  return new Promise((resolve) => {
    node.events.on('evicted', (reason, hint) => {
      if (json) print(JSON.stringify({ event: 'evicted', reason }));
      tell(`${paintTalk.red('error:')} ${safeLine(reason)}`);
      tell(`  → ${safeLine(hint)}`);
      resolve(1);
    });
    node.events.on('left', (mesh) => {
      if (json) print(JSON.stringify({ event: 'left', mesh: mesh.name }));
      else tell(`left the mesh '${safeLine(mesh.name)}'; starling up founds one anew`);
      resolve(0);
    });
  });
}

/** The state folder and the config file that `--state`, `--node` or `--config` name. */
async function placeOf(
  options: UpOptions,
): Promise<{ readonly file?: string; readonly flags: ConfigSources['flags'] }> {
  const { config, node = process.env['STARLING_NODE'] } = options;
  const stateDir = await namedStateDir(options, process.env);
  if (stateDir === undefined)
    return { ...(config === undefined ? {} : { file: config }), flags: {} };
  // A node that is called by its name has the config file that it had.
  const had = node === undefined ? undefined : (await readAbout(stateDir))?.configFile;
  const file = config ?? (had !== undefined && existsSync(had) ? had : undefined);
  return { ...(file === undefined ? {} : { file }), flags: { stateDir } };
}

/** What the command line says, in the form of the config file. */
async function flagsOf(options: UpOptions): Promise<ConfigSources['flags']> {
  const http = {
    ...(options.http ? {} : { enabled: false }),
    ...(options.httpPort === undefined ? {} : { port: options.httpPort }),
    ...(options.httpHost === undefined ? {} : { host: options.httpHost }),
  };
  return {
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.join === undefined ? {} : { join: await ticketOf(options.join) }),
    ...(options.knock === undefined ? {} : { knock: options.knock }),
    ...(options.bootstrap === undefined ? {} : { bootstrap: [...options.bootstrap] }),
    ...(options.open === undefined ? {} : { open: options.open }),
    ...(options.meshName === undefined ? {} : { meshName: options.meshName }),
    ...(options.listen === undefined ? {} : { listen: [...options.listen] }),
    ...(options.announce === undefined ? {} : { announce: [...options.announce] }),
    ...(Object.keys(http).length === 0 ? {} : { http }),
    ...(options.tcp === undefined ? {} : { tcp: tcpOf(options.tcp) }),
    ...(options.mdns ? {} : { mdns: false }),
    ...(options.relay ? {} : { relay: false }),
    ...(options.log === undefined ? {} : { log: { level: options.log } }),
  };
}

function tcpOf(port: number | true): NonNullable<ConfigSources['flags']['tcp']> {
  return { enabled: true, ...(port === true ? {} : { port }) };
}

async function ticketOf(join: string): Promise<string> {
  return join === '-' ? (await readStdin('the ticket')).trim() : join;
}

async function announce(node: StarlingNode, options: UpOptions): Promise<void> {
  const json = options.json === true;
  const status = node.status();
  const wantsTicket = !status.mesh.open && (node.hasFounded || options.invite === true);
  const invitation = wantsTicket ? await ticketOrReason(node) : undefined;
  const ticket = invitation?.ticket;
  if (json) {
    print(JSON.stringify({ event: 'up', ...status, ...(ticket === undefined ? {} : { ticket }) }));
    return;
  }
  print(describeStatus(status));
  print('');
  const state = stateOption(status.stateDir);
  const words = state.length === 0 ? '' : ` --state ${status.stateDir}`;
  print(`Attach an MCP client: starling connect cursor${words}`);
  print(`(or another: starling connect --help), or by hand:`);
  print(`  ${JSON.stringify({ command: 'starling', args: ['mcp', '--as', '<name>', ...state] })}`);
  print('');
  if (invitation?.reason !== undefined)
    print(`This node can invite nobody: ${safeLine(invitation.reason)}`);
  else if (!status.mesh.open && ticket === undefined)
    print(`Let another node in: starling invite${words}`);
  else {
    print(
      ticket === undefined
        ? 'On the next machine:'
        : 'On the next machine (one node, within 24 hours):',
    );
    const address = status.addresses[0] ?? '<address>';
    print(
      paint.bold(
        ticket === undefined
          ? `  starling up --bootstrap ${address}`
          : `  starling up --join ${ticket}`,
      ),
    );
  }
}

/** What an MCP client's config must say besides to find this node: the client has none of our environment. */
function stateOption(stateDir: string): readonly string[] {
  return stateDir === resolve(defaultStateDir(process.env)) ? [] : ['--state', stateDir];
}

async function ticketOrReason(node: StarlingNode): Promise<{ ticket?: string; reason?: string }> {
  try {
    return { ticket: (await node.createTicket()).ticket };
  } catch (error) {
    // A member that was not allowed to invite runs all the same.
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

function printPeer({ alias, peerId, state }: PeerView): void {
  print(JSON.stringify({ event: 'peer', alias, peerId, state }));
}

function tellOfPeers(node: StarlingNode, json: boolean): void {
  // A program that follows the events has missed those of the start.
  if (json) for (const peer of node.peers()) if (peer.state === 'alive') printPeer(peer);
  node.events.on('peer', (peer, before) => {
    if (peer.state === before?.state && before.alias === peer.alias) return;
    if (json) printPeer(peer);
    else
      tell(
        `${paintTalk.dim(new Date().toTimeString().slice(0, 8))} ${safeLine(peer.alias)} is ${peer.state}`,
      );
  });
}

/** Resolves at the first SIGINT or SIGTERM; the second one ends the process at once. */
function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const told = (): void => {
      count += 1;
      if (count > 1) process.exit(INTERRUPTED);
      resolve();
    };
    process.on('SIGINT', told);
    process.on('SIGTERM', told);
    // Nothing else of a node keeps the process alive.
    setInterval(() => undefined, 60_000);
  });
}

async function stop(node: StarlingNode, code: number): Promise<never> {
  const stopped = node.stop();
  if (!(await settledWithin(STOP_TIMEOUT_MS, stopped, systemClock))) {
    tell('the node did not stop in time');
    process.exit(1);
  }
  await stopped;
  await flush();
  // libp2p's timers would keep the process for a second more.
  process.exit(code);
}
