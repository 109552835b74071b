/** `starling connect` */
import { isDeepStrictEqual } from 'node:util';
import type {
  ClientConnectResult,
  ClientDisconnectResult,
  StatusResult,
} from '../../builtin/results.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { CLIENT_NAME_WORDS, isFreeClientName } from '../../config/client-names.ts';
import { StarlingError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json.ts';
import { ask, canAsk, nobodyAgreed } from '../terminal/questions/ask.ts';
import { diffLines } from '../terminal/text-diff.ts';
import type { DiffLine } from '../terminal/text-diff.ts';
import { backUp, readJsonFile, writeJsonFile } from '../client-files/json-file.ts';
import type { JsonFile } from '../client-files/json-file.ts';
import { maskOthers, nodeAt, parseJsonc, valueOf } from '../client-files/jsonc.ts';
import { removeProperty, setProperty } from '../client-files/jsonc-edit.ts';
import { launchAnywhere, launchHere } from '../client-files/launcher.ts';
import type { Launch } from '../client-files/launcher.ts';
import { entryFor } from '../client-files/starling-entry.ts';
import type { Way } from '../client-files/starling-entry.ts';
import { fileOf, knownClient, surroundings } from '../client-files/mcp-clients.ts';
import type { McpClient } from '../client-files/mcp-clients.ts';
import { paint, paintTalk, printData, safeLine, tell } from '../terminal/output.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { stateDirOf, withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';

interface ConnectOptions extends CommonOptions {
  readonly name: string;
  readonly as?: string;
  readonly http?: boolean;
  readonly scope?: readonly string[];
  readonly operator?: boolean;
  readonly project?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly remove?: boolean;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const PRIVATE_MODE = 0o600;
/** A project's file is for all who work on it. */
const SHARED_MODE = 0o644;
/** Stands for the key where the entry is shown: the key is made once the person agrees, and never shown. */
const KEY_SHOWN = 'starling_…';
/** A key or token in an entry, old or new. */
const BEARER = /Bearer [^"\s]+/g;
const OPERATOR_MEANS =
  '--operator: the client can grant, make keys, set secrets, approve and change the policy, as you can, and so can whatever talks its model into it';

/** Shows what would change in the client's file, asks, and changes it after a backup. */
export async function run(id: string, options: ConnectOptions): Promise<ExitCode | void> {
  const client = knownClient(id);
  checkOptions(client, options);
  const isProject = options.project === true;
  const file = await readJsonFile(fileOf(client, isProject, surroundings()));
  const path = [client.key, options.name];
  const textWith = (way: Way): string =>
    setProperty(
      { text: file.text, file: file.path },
      path,
      entryFor(client, way, oldEntry(file, path)),
    );
  const shown =
    options.remove === true
      ? removeProperty({ text: file.text, file: file.path }, path)
      : textWith(await wayOf(options, client, KEY_SHOWN));
  const isChanged = !isDeepStrictEqual(read(shown, file.path), read(file.text, file.path));
  const diff = isChanged ? differences(file, shown, path) : [];
  const facts = { client: client.id, file: file.path, changed: isChanged, diff: diff.map(plain) };
  if (!isChanged) {
    const said = options.remove === true ? 'is not connected' : 'is connected already';
    await naming(client, options);
    return printData(facts, options.json === true, () => `${client.title} ${said}: ${file.path}`);
  }
  const isNew = file.exists ? '' : ' (a new file)';
  tell(`${client.title}: ${safeLine(file.path)}${isNew}`);
  for (const line of diff) tell(coloured(line));
  if (options.operator === true) tell(OPERATOR_MEANS);
  if (options.dryRun === true) {
    return printData(facts, options.json === true, () => 'nothing was changed (--dry-run)');
  }
  if (!(await isAgreed(client, options.yes === true))) {
    tell('nothing was changed');
    return 1;
  }
  const key = await naming(client, options);
  const after = key === undefined ? shown : textWith(await wayOf(options, client, key));
  let backup: string | undefined;
  try {
    backup = file.exists ? await backUp(file.path, new Date()) : undefined;
    await writeJsonFile(file, file.exists ? after : `${after}\n`, {
      mode: isProject ? SHARED_MODE : PRIVATE_MODE,
      isSecret: key !== undefined,
    });
  } catch (error) {
    // Nobody has the key that was made for the file.
    if (key !== undefined) await naming(client, { ...options, remove: true });
    throw error;
  }
  printData({ ...facts, backup }, options.json === true, () =>
    [
      options.remove === true
        ? `${paint.bold(client.title)} no longer uses Starling.`
        : `${paint.bold(client.title)} now uses Starling${asWords(client, options)}: ${client.afterwards}.`,
      ...(backup === undefined ? [] : [`The file as it was: ${safeLine(backup)}`]),
    ].join('\n'),
  );
}

/** @throws STARLING_USAGE */
function checkOptions(client: McpClient, options: ConnectOptions): void {
  const wrong = (what: string, hint: string): StarlingError =>
    new StarlingError('STARLING_USAGE', what, { hint });
  if (!NAME.test(options.name)) {
    throw wrong(
      `'${options.name}' is no name for a server`,
      'use up to 64 of A-Z, a-z, 0-9, - and _',
    );
  }
  const { as, http, operator, project, scope } = options;
  if (as !== undefined && !isFreeClientName(as)) {
    throw wrong(
      `'${as}' can't be the name of a client`,
      `use ${CLIENT_NAME_WORDS}; local, tcp and operator are taken`,
    );
  }
  if (operator === true && (as !== undefined || http === true)) {
    throw wrong('--operator takes no --as and no --http', 'the operator has no name, and no key');
  }
  if (scope !== undefined && http !== true) {
    throw wrong('--scope is of a key', 'say --http as well, or write limits into the policy file');
  }
  if (http === true && project === true) {
    throw wrong('a key is no matter for a file that others share', 'leave --project or --http out');
  }
  if (http === true && client.http === undefined) {
    throw wrong(
      `the file of ${client.title} takes no URL`,
      `connect it without --http: starling connect ${client.id}`,
    );
  }
}

function nameOf(client: McpClient, { as }: ConnectOptions): string {
  return as ?? client.id;
}

function asWords(client: McpClient, options: ConnectOptions): string {
  return options.operator === true ? ' as its operator' : ` as client:${nameOf(client, options)}`;
}

/**
 * Tells the node which program has the name; gives the key where the client gets one. A node that does not run
 * is told when the client attaches. @throws STARLING_USAGE when the name is taken
 */
async function naming(client: McpClient, options: ConnectOptions): Promise<string | undefined> {
  if (options.operator === true || options.dryRun === true) return undefined;
  const program = { name: nameOf(client, options), program: client.id };
  try {
    return await withNode(options, async (node) => {
      if (options.remove === true) {
        await node.builtin<ClientDisconnectResult>('client_disconnect', program);
        return undefined;
      }
      const { key } = await node.builtin<ClientConnectResult>('client_connect', {
        ...program,
        ...(options.http === true ? { by_key: true } : {}),
        ...(options.scope === undefined ? {} : { scopes: options.scope }),
      });
      return key;
    });
  } catch (error) {
    const isOff = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (!isOff || options.http === true) throw error;
    return undefined;
  }
}

/** How the client is to reach the node. @throws STARLING_NODE_UNREACHABLE, STARLING_USAGE */
async function wayOf(options: ConnectOptions, client: McpClient, key: string): Promise<Way> {
  if (options.http === true) return { kind: 'http', url: await urlOf(options), key };
  return { kind: 'stdio', launch: await launchOf(options, client) };
}

async function urlOf(options: ConnectOptions): Promise<string> {
  const { endpoints } = await withNode(options, (node) => node.builtin<StatusResult>('status'));
  if (endpoints.url !== undefined) return endpoints.url;
  throw new StarlingError('STARLING_USAGE', 'the node serves no HTTP', {
    hint: 'connect the client without --http, or start the node without --no-http',
  });
}

async function launchOf(options: ConnectOptions, client: McpClient): Promise<Launch> {
  const stateDir = await stateDirOf(options);
  const { env, execPath, execArgv } = process;
  const who = options.operator === true ? ['--operator'] : ['--as', nameOf(client, options)];
  if (options.project === true) return launchAnywhere(env, stateDir, who);
  const launched = { execPath, execArgv, script: process.argv[1] ?? 'starling', env };
  return launchHere(launched, stateDir, who);
}

function oldEntry(file: JsonFile, path: readonly string[]): JsonObject {
  const node = nodeAt(parseJsonc(file.text, file.path), path, file.path);
  const old = node === undefined ? undefined : valueOf(node);
  return isObject(old) ? old : {};
}

/** The lines that change, with the values of other servers masked. */
function differences(file: JsonFile, after: string, path: readonly string[]): readonly DiffLine[] {
  const masked = (text: string): string => {
    const root = parseJsonc(text, file.path);
    return maskOthers(text, root, nodeAt(root, path, file.path));
  };
  return diffLines(file.exists ? masked(file.text) : '', masked(after)).map((line) => ({
    ...line,
    text: line.text.replaceAll(BEARER, 'Bearer …'),
  }));
}

/** Asks the person, unless `--yes` was given. @throws STARLING_USAGE where nobody can be asked */
async function isAgreed(client: McpClient, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!canAsk()) throw nobodyAgreed(`the file of ${client.title} would be changed`);
  return (await ask('change it so?', ['no', 'yes'])) === 'yes';
}

function read(text: string, path: string): unknown {
  return valueOf(parseJsonc(text, path));
}

function plain({ sign, text }: DiffLine): string {
  return `${sign} ${text}`;
}

function coloured(line: DiffLine): string {
  const text = safeLine(plain(line));
  if (line.sign === '+') return paintTalk.green(text);
  return line.sign === '-' ? paintTalk.red(text) : paintTalk.dim(text);
}
