/** `starling up` */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { loadConfig } from '../../config/index.ts';
import type { Config, ConfigSources } from '../../config/index.ts';
import { readAbout } from '../../config/known-nodes.ts';
import { systemClock } from '../../core/time/clock.ts';
import { refuseDebugger } from '../../core/system/debugger.ts';
import { settledWithin } from '../../core/wait.ts';
import { createNode } from '../../node.ts';
import type { PeerView } from '../../membership/index.ts';
import type { StarlingNode } from '../../node-types.ts';
import { secretFilesOf } from '../node/secret-files.ts';
import { tellOfApprovals } from '../terminal/lines/approval-lines.ts';
import { tellOfStrangers } from '../terminal/lines/stranger-lines.ts';
import {
  clearEcho,
  flush,
  paint,
  paintTalk,
  print,
  printError,
  safeLine,
  tell,
} from '../terminal/output.ts';
import { passphraseOf } from '../terminal/questions/passphrase.ts';
import type { Passphrases } from '../terminal/questions/passphrase.ts';
import { tellOfFailures } from '../terminal/lines/peer-lines.ts';
import { createProgress } from '../terminal/progress.ts';
import { canAsk } from '../terminal/questions/ask.ts';
import { askToMove } from '../terminal/questions/ask-to-move.ts';
import { isNewlyCalled, nameLines } from '../terminal/lines/name-lines.ts';
import { createTalkingLogger } from '../terminal/terminal-logger.ts';
import type { LogInit } from '../terminal/terminal-logger.ts';
import { tellOfNode } from '../terminal/lines/up-lines.ts';
import { listMeshes } from './meshes-here.ts';
import type { UpLines } from '../terminal/lines/up-lines.ts';
import type { Say } from '../terminal/lines/peer-lines.ts';
import { withRunning } from '../node/running-already.ts';
import { stateWords, upWords } from '../node/start-words.ts';
import { reloadOnChange } from '../node/config-reload.ts';
import { outliveRejections } from '../node/unforeseen.ts';
import { namedStateDir } from '../node/locate-node.ts';
import type { Progress } from '../terminal/progress.ts';
import type { CommonOptions } from '../options/common-options.ts';
import type { LogOption } from '../options/parsers.ts';
import { readStdin } from '../terminal/stdin.ts';

/** How long a node may take to stop: more than a second or two only on a machine with much else to do. */
const STOP_TIMEOUT_MS = 15_000;
const STDERR = 2;
/** What `log.level` is unless somebody says more. */
const DEFAULT_LEVEL = 'warn';
const VERBOSE_LEVEL = 'info';

interface UpOptions extends CommonOptions {
  readonly name?: string;
  readonly join?: string;
  readonly knock?: string | true;
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
  readonly log?: LogOption;
  readonly verbose?: boolean;
  readonly yes?: boolean;
  readonly invite?: boolean;
}

/** Runs a node until it is told to stop; gives the exit code. */
export async function run(options: UpOptions): Promise<ExitCode> {
  // The passphrase is taken first, so that no other code and no child process sees it.
  const passphrase = passphraseOf(process.env);
  if (options.knock === true) return listMeshes(options);
  const named = await stateAndFile(options);
  const sources: ConfigSources = {
    ...(named.file === undefined ? {} : { file: named.file }),
    env: process.env,
    flags: { ...(await flagsOf(options)), ...named.flags },
  };
  const config = await loadConfig(sources);
  refuseDebugger();
  const progress = createProgress(options.json !== true);
  const ending = awaitEnd();
  const answered = { no: false };
  try {
    return await live({ config, sources, options, progress, passphrase, ending, answered });
  } catch (error) {
    progress.done();
    // Signal handlers and libp2p's timers would keep the process, if this only returned.
    const { stateDir, join, knock } = config;
    const isJoin = join !== undefined || knock !== undefined;
    if (answered.no) tell('nothing was changed');
    const code = answered.no
      ? EXIT.failed
      : printError(await withRunning(error, stateDir, isJoin), options.json === true);
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
  readonly ending: Ending;
  /** Whether a person was asked if the node may leave its mesh, and has said no: the start ends by that. */
  readonly answered: { no: boolean };
}

/** How the process is told to end. */
interface Ending {
  /** Resolves with the exit code at the first signal. */
  readonly told: Promise<ExitCode>;
  /** The node is being stopped: the next signal ends the process at once. */
  begin(): void;
}

async function live(life: Life): Promise<ExitCode> {
  const { config, options, progress, passphrase, ending } = life;
  const { told } = ending;
  // The start writes this anew.
  const before = (await readAbout(config.stateDir))?.configFile;
  const made = createNode(config, {
    passphrase,
    logger: createTalkingLogger(logOf(config, options)),
    progress: (line) => progress.show(line),
    secretFiles: () => secretFilesOf(config, process.env),
    async mayMove(from, to) {
      if (options.yes === true) return true;
      if (options.json === true || options.join === '-') return false;
      progress.done();
      const mayMove = await askToMove(from, to);
      life.answered.no = !mayMove && canAsk();
      return mayMove;
    },
  });
  const node = await Promise.race([made, told]);
  if (typeof node === 'number') {
    // The node was told to stop while it looked for its mesh: it is no member, so it leaves nothing.
    progress.done();
    if (node === EXIT.interrupted) clearEcho();
    if (config.knock !== undefined && options.json !== true)
      tell('nothing was changed: this node asks no more to be let in');
    await flush();
    return end(node);
  }
  outliveRejections(node);
  const lines = options.json === true ? tellAsJson(node, progress) : tellAsText(node, life, before);
  tellOfStrangers(
    node.events,
    options.json === true,
    lines.say,
    { state: stateWords(config.stateDir), up: upWords(config.stateDir, config.file) },
    () => node.status().mesh.name,
  );
  let stopWatching = (): void => undefined;
  // Not only once each server is there: one that can't be started may be what the change is about.
  node.events.once('serving', () => {
    stopWatching = reloadOnChange(node, life.sources, options.json === true);
    tellOfApprovals(node.approvals, options.json === true, lines.say);
  });
  const over = Promise.race([told, untilOver(node, options.json === true, lines.say)]);
  const started = await Promise.race([node.start().then(() => true), over.then(() => false)]);
  if (started) {
    if (options.json === true) await announce(node, options);
    await passphrase.tellIfUnused(config.stateDir);
  }
  const code = await over;
  stopWatching();
  ending.begin();
  return stop(node, lines, code);
}

/** The log that the person has asked for, or the little that a terminal is told without. */
function logOf(config: Config, options: UpOptions): LogInit {
  const { level: spec, file } = config.log;
  const isVerbose = options.verbose === true && options.log === undefined;
  const isWanted = isVerbose || options.log !== undefined || spec !== DEFAULT_LEVEL;
  return { spec: isVerbose ? VERBOSE_LEVEL : spec, file, isWanted };
}

/** Resolves with the exit code once this node belongs to its mesh no more: 1 when it was put out, 0 when it left. */
function untilOver(node: StarlingNode, json: boolean, say: Say): Promise<ExitCode> {
  return new Promise((resolve) => {
    node.events.on('evicted', (reason, hint) => {
      if (json) print(JSON.stringify({ event: 'evicted', reason }));
      say(`${paintTalk.red('error:')} ${safeLine(reason)}\n  → ${safeLine(hint)}`);
      resolve(EXIT.failed);
    });
    node.events.on('left', (mesh) => {
      if (json) print(JSON.stringify({ event: 'left', mesh: mesh.name }));
      else say(`left the mesh '${safeLine(mesh.name)}'; starling up founds one anew`);
      resolve(EXIT.done);
    });
  });
}

/** The state folder and the config file that `--state`, `--node` or `--config` name. */
async function stateAndFile(
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
    ...(typeof options.knock === 'string' ? { knock: options.knock } : {}),
    ...(options.bootstrap === undefined ? {} : { bootstrap: [...options.bootstrap] }),
    ...(options.open === undefined ? {} : { open: options.open }),
    ...(options.meshName === undefined ? {} : { meshName: options.meshName }),
    ...(options.listen === undefined ? {} : { listen: [...options.listen] }),
    ...(options.announce === undefined ? {} : { announce: [...options.announce] }),
    ...(Object.keys(http).length === 0 ? {} : { http }),
    ...(options.tcp === undefined ? {} : { tcp: tcpOf(options.tcp) }),
    ...(options.mdns ? {} : { mdns: false }),
    ...(options.relay ? {} : { relay: false }),
    ...(options.log === undefined ? {} : { log: logFlag(options.log) }),
  };
}

/** The node runs in the folder of whoever starts it, but what it keeps open should not move. */
function logFlag(log: LogOption): LogOption {
  return 'file' in log ? { file: resolve(log.file) } : log;
}

function tcpOf(port: number | true): NonNullable<ConfigSources['flags']['tcp']> {
  return { enabled: true, ...(port === true ? {} : { port }) };
}

async function ticketOf(join: string): Promise<string> {
  return join === '-' ? (await readStdin('the ticket')).trim() : join;
}

async function announce(node: StarlingNode, options: UpOptions): Promise<void> {
  const { ticket } = await invitationOf(node, options);
  const event = { event: 'up', ...node.status() };
  print(JSON.stringify({ ...event, ...(ticket === undefined ? {} : { ticket }) }));
  tellPeersAsJson(node);
}

function tellAsText(
  node: StarlingNode,
  { config, options, progress }: Life,
  before: string | undefined,
): UpLines {
  const isOther = before !== undefined && before !== config.file && existsSync(before);
  const last = isOther ? { file: before, words: stateWords(config.stateDir) } : undefined;
  return tellOfNode(node, { config, last }, progress, () => invitationText(node, options));
}

/** Events are for machines; what a person would want to know besides goes to standard error. */
function tellAsJson(node: StarlingNode, progress: Progress): UpLines {
  const say = (text: string): void => progress.say(text);
  tellOfFailures(node, say);
  return {
    say,
    goodbye: async (stopped) => {
      await stopped;
    },
  };
}

/** How another machine gets in, and how a client is attached. */
async function invitationText(node: StarlingNode, options: UpOptions): Promise<string> {
  const { stateDir } = node.status();
  const words = stateWords(stateDir);
  // The client has none of our environment, and takes words apart as they are.
  const state = words === '' ? [] : ['--state', stateDir];
  const entry = JSON.stringify({ command: 'starling', args: ['mcp', '--as', '<name>', ...state] });
  const idle = `This node is in ${safeLine(node.status().mesh.name)} already: it has not used the ticket.`;
  return [
    ...(node.hasIdleTicket ? [idle] : []),
    ...nextMachine(node, await invitationOf(node, options)),
    '',
    `Attach an MCP client: starling connect cursor${words}`,
    '(or another: starling connect --help), or by hand:',
    `  ${entry}`,
  ].join('\n');
}

function nextMachine(node: StarlingNode, { ticket, reason }: Invitation): readonly string[] {
  const { addresses, configFile, mayInvite, mesh, stateDir } = node.status();
  const [state, up] = [stateWords(stateDir), upWords(stateDir, configFile)];
  if (reason !== undefined) return [`This node can invite nobody: ${safeLine(reason)}`];
  if (mesh.open) {
    const address = addresses[0] ?? '<address>';
    return ['On the next machine:', paint.bold(`  starling up --bootstrap ${address}`)];
  }
  if (ticket === undefined && mayInvite === false)
    return ['It was let in without the right to let others in.'];
  if (ticket === undefined) return [`Let another node in: starling invite${state}`];
  if (addresses.every((address) => LOOPBACK.test(address))) {
    return [
      'On this machine (one node, within 24 hours):',
      paint.bold(`  starling up --join ${ticket}`),
      'No other machine reaches this node: it listens on loopback only. For those:',
      paint.bold(`  starling up${up} --listen /ip4/0.0.0.0/tcp/4040 --invite`),
    ];
  }
  return [
    'On the next machine (one node, within 24 hours):',
    paint.bold(`  starling up --join ${ticket}`),
  ];
}

/** Multiaddrs of this machine alone. */
const LOOPBACK = /^\/(?:ip4\/127\.|ip6\/::1\/|dns4?\/localhost\/)/;

interface Invitation {
  readonly ticket?: string;
  readonly reason?: string;
}

/** A ticket where the mesh was founded just now, or where one is asked for. */
async function invitationOf(node: StarlingNode, options: UpOptions): Promise<Invitation> {
  if (node.status().mesh.open || (!node.hasFounded && options.invite !== true)) return {};
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

function tellPeersAsJson(node: StarlingNode): void {
  // A program that follows the events has missed those of the start.
  for (const peer of node.peers()) if (peer.state === 'alive') printPeer(peer);
  for (const peer of node.peers()) printNames(peer, undefined);
  node.events.on('peer', (peer, before) => {
    if (peer.state !== before?.state || before.alias !== peer.alias) printPeer(peer);
    printNames(peer, before);
  });
}

/** What is to be said of the names of a peer, where that is news. */
function printNames(peer: PeerView, before: PeerView | undefined): void {
  if (nameLines(peer, before).length === 0 && !isNewlyCalled(peer, before)) return;
  const { alias, callsUs, newName, peerId, presence } = peer;
  print(JSON.stringify({ event: 'names', alias, peerId, name: presence?.name, callsUs, newName }));
}

/**
 * Hears SIGINT and SIGTERM: the first one asks for an end. One while the node is being stopped, for whatever reason,
 * ends the process at once, and with it the processes of its servers.
 */
function awaitEnd(): Ending {
  let isEnding = false;
  const begin = (): void => {
    isEnding = true;
  };
  const told = new Promise<ExitCode>((resolve) => {
    const hear = (code: ExitCode): void => {
      if (isEnding) {
        clearEcho();
        tell('ended at once: peers that have heard no goodbye try to reach this node for a while');
        process.exit(EXIT.interrupted);
      }
      begin();
      resolve(code);
    };
    process.on('SIGINT', () => hear(EXIT.interrupted));
    // Whoever manages services asks for an end by this one, and has it.
    process.on('SIGTERM', () => hear(EXIT.done));
    // SIGHUP takes the configuration up again, unless the terminal itself is gone: then nobody is there any more.
    const hadTerminal = isatty(STDERR);
    process.on('SIGHUP', () => {
      if (hadTerminal && !isatty(STDERR)) hear(EXIT.hungUp);
    });
    // Nothing else of a node keeps the process alive.
    setInterval(() => undefined, 60_000);
  });
  return { told, begin };
}

async function stop(node: StarlingNode, lines: UpLines, code: ExitCode): Promise<never> {
  const stopped = node.stop();
  if (
    !(await settledWithin(
      STOP_TIMEOUT_MS,
      lines.goodbye(stopped, code === EXIT.interrupted),
      systemClock,
    ))
  ) {
    tell('the node did not stop in time');
    process.exit(EXIT.failed);
  }
  await stopped;
  await flush();
  return end(code);
}

/** Ends the process: libp2p's timers would keep it for a second more. */
function end(code: ExitCode): never {
  if (code === EXIT.hungUp) {
    // Node aborts where it can't set the terminal right, which is gone; the signal ends it without a crash.
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  return process.exit(code);
}
