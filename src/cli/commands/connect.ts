/** `starling connect` */
import { isDeepStrictEqual } from 'node:util';
import { StarlingError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { ask, canAsk, nobodyAgreed } from '../terminal/ask.ts';
import { diffLines } from '../terminal/text-diff.ts';
import type { DiffLine } from '../terminal/text-diff.ts';
import { backUp, readJsonFile, writeJsonFile } from '../client-files/json-file.ts';
import type { JsonFile } from '../client-files/json-file.ts';
import { maskOthers, nodeAt, parseJsonc, valueOf } from '../client-files/jsonc.ts';
import { removeProperty, setProperty } from '../client-files/jsonc-edit.ts';
import { launchAnywhere, launchHere } from '../client-files/launcher.ts';
import type { Launch } from '../client-files/launcher.ts';
import { fileOf, knownClient, surroundings } from '../client-files/mcp-clients.ts';
import type { McpClient } from '../client-files/mcp-clients.ts';
import { paint, paintTalk, printData, safeLine, tell } from '../terminal/output.ts';
import { isObject } from '../../core/shape.ts';
import { stateDirOf } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';

interface ConnectOptions extends CommonOptions {
  readonly name: string;
  readonly project?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly remove?: boolean;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const PRIVATE_MODE = 0o600;
/** A project's file is for all who work on it. */
const SHARED_MODE = 0o644;
/** Keys of an entry that lead elsewhere than to the command. */
const OTHER_WAYS = ['type', 'url', 'serverUrl', 'headers'];

/** Shows what would change in the client's file, asks, and changes it after a backup. */
export async function run(id: string, options: ConnectOptions): Promise<void> {
  const client = knownClient(id);
  if (!NAME.test(options.name)) {
    throw new StarlingError('STARLING_USAGE', `'${options.name}' is no name for a server`, {
      hint: 'use up to 64 of A-Z, a-z, 0-9, - and _',
    });
  }
  const isProject = options.project === true;
  const file = await readJsonFile(fileOf(client, isProject, surroundings()));
  const path = [client.key, options.name];
  const after =
    options.remove === true
      ? removeProperty({ text: file.text, file: file.path }, path)
      : setProperty(
          { text: file.text, file: file.path },
          path,
          entryOf(client, file, path, await launchOf(options)),
        );
  const isChanged = !isDeepStrictEqual(read(after, file.path), read(file.text, file.path));
  const diff = isChanged ? differences(file, after, path) : [];
  const facts = { client: client.id, file: file.path, changed: isChanged, diff: diff.map(plain) };
  if (!isChanged) {
    const said = options.remove === true ? 'is not connected' : 'is connected already';
    return printData(facts, options.json === true, () => `${client.title} ${said}: ${file.path}`);
  }
  const isNew = file.exists ? '' : ' (a new file)';
  tell(`${client.title}: ${safeLine(file.path)}${isNew}`);
  for (const line of diff) tell(coloured(line));
  if (options.dryRun === true) {
    return printData(facts, options.json === true, () => 'nothing was changed (--dry-run)');
  }
  await agree(client, options.yes === true);
  const backup = file.exists ? await backUp(file.path, new Date()) : undefined;
  await writeJsonFile(
    file,
    file.exists ? after : `${after}\n`,
    isProject ? SHARED_MODE : PRIVATE_MODE,
  );
  printData({ ...facts, backup }, options.json === true, () =>
    [
      options.remove === true
        ? `${paint.bold(client.title)} no longer uses Starling.`
        : `${paint.bold(client.title)} now uses Starling: ${client.afterwards}.`,
      ...(backup === undefined ? [] : [`The file as it was: ${safeLine(backup)}`]),
    ].join('\n'),
  );
}

async function launchOf(options: ConnectOptions): Promise<Launch> {
  const stateDir = await stateDirOf(options);
  const { env, execPath, execArgv } = process;
  if (options.project === true) return launchAnywhere(env, stateDir);
  return launchHere({ execPath, execArgv, script: process.argv[1] ?? 'starling', env }, stateDir);
}

/** The entry to write; what its owner added to an older entry is kept. */
function entryOf(
  client: McpClient,
  file: JsonFile,
  path: readonly string[],
  { command, args }: Launch,
): JsonObject {
  const node = nodeAt(parseJsonc(file.text, file.path), path, file.path);
  const old = node === undefined ? undefined : valueOf(node);
  const kept = Object.entries(isObject(old) ? old : {}).filter(
    ([key]) => !OTHER_WAYS.includes(key),
  );
  return { ...client.extra, ...Object.fromEntries(kept), command, args };
}

/** The lines that change, with the values of other servers masked. */
function differences(file: JsonFile, after: string, path: readonly string[]): readonly DiffLine[] {
  const masked = (text: string): string => {
    const root = parseJsonc(text, file.path);
    return maskOthers(text, root, nodeAt(root, path, file.path));
  };
  return diffLines(file.exists ? masked(file.text) : '', masked(after));
}

/** Asks the person, unless `--yes` was given. @throws STARLING_USAGE when the person does not agree */
async function agree(client: McpClient, yes: boolean): Promise<void> {
  if (yes) return;
  if (!canAsk()) throw nobodyAgreed(`the file of ${client.title} would be changed`);
  if ((await ask('change it so?', ['no', 'yes'])) === 'yes') return;
  throw new StarlingError('STARLING_USAGE', 'nothing was changed, because you did not agree');
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
