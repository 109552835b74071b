/** `starling mcp import` */
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { StarlingError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import { ask, canAsk, nobodyAgreed } from '../../terminal/questions/ask.ts';
import { mustHoldServers, serversIn } from '../../client-files/import-servers.ts';
import type { Found, Source } from '../../client-files/import-servers.ts';
import { CLIENT_IDS, clientOf, fileOf, surroundings } from '../../client-files/mcp-clients.ts';
import type { Surroundings } from '../../client-files/mcp-clients.ts';
import {
  nextStep,
  readOwnConfig,
  sameName,
  withServers,
  writeOwnConfig,
} from '../../node/config-file.ts';
import type { OwnConfig } from '../../node/config-file.ts';
import { paint, paintTalk, print, safeLine, tell } from '../../terminal/output.ts';
import {
  describeEntry,
  factsOf,
  plainSecretsIn,
  secretLines,
} from '../../client-files/server-entry.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface ImportOptions extends CommonOptions {
  readonly project?: boolean;
  readonly yes?: boolean;
}

/** Whether a server that was found is imported. */
interface Decision {
  readonly found: Found;
  /** Why the server is not imported; absent when it may be. */
  readonly skipped?: string;
}

/** Shows what is found, asks, and writes what was agreed to. @throws STARLING_USAGE */
export async function run(from: string | undefined, options: ImportOptions): Promise<void> {
  const config = await readOwnConfig(options);
  const sources = await sourcesOf(from, options.project === true, surroundings());
  const all = (await Promise.all(sources.map(serversIn))).flat();
  const decisions = decide(all, config);
  for (const decision of decisions) show(decision);
  const offered = decisions.flatMap(({ found, skipped }) => (skipped === undefined ? [found] : []));
  const chosen = await choose(offered, options.yes === true);
  const servers = new Map<string, JsonObject>(chosen.map(({ name, entry }) => [name, entry]));
  if (servers.size > 0) await writeOwnConfig(config, withServers(config, servers));
  const { path } = config.file;
  const next = servers.size > 0 ? await nextStep(options, path) : undefined;
  if (options.json === true) {
    const skipped = decisions.flatMap(({ found: { name, source }, skipped }) =>
      skipped === undefined ? [] : [{ name, file: source.path, reason: skipped }],
    );
    print(JSON.stringify({ file: path, imported: [...servers.keys()], skipped, node: next?.node }));
    return;
  }
  if (all.length === 0) print(`no MCP servers found; looked into:\n${listed(sources)}`);
  else if (next === undefined) print('nothing imported');
  else {
    print(`imported ${paint.bold([...servers.keys()].join(', '))} into ${safeLine(path)}`);
    for (const [name, entry] of servers)
      for (const line of secretLines(name, plainSecretsIn(entry)))
        print(`${paint.yellow('!')} ${line}`);
    print(next.text);
  }
}

/** The files to look into: one file, one client's files, or this user's files of every client. */
async function sourcesOf(
  from: string | undefined,
  project: boolean,
  around: Surroundings,
): Promise<readonly Source[]> {
  const client = from === undefined ? undefined : clientOf(from);
  if (from !== undefined && client === undefined) {
    if (project)
      throw new StarlingError('STARLING_USAGE', '--project goes with the name of a client');
    const path = resolve(from);
    const source = { title: path, path, workspace: workspaceOf(path) };
    await mustHoldServers(source);
    return [source];
  }
  const clients = client === undefined ? CLIENT_IDS.flatMap((id) => clientOf(id) ?? []) : [client];
  if (project && client === undefined) {
    throw new StarlingError('STARLING_USAGE', '--project goes with the name of a client', {
      hint: `one of: ${CLIENT_IDS.join(', ')}`,
    });
  }
  return clients.map((one) => ({
    title: one.title,
    path: fileOf(one, project, around),
    ...(project ? { workspace: around.folder } : {}),
    ...(one.id === 'claude-code' && !project ? { project: around.folder } : {}),
  }));
}

/** The project of a file like `.vscode/mcp.json` is the folder above. */
function workspaceOf(path: string): string {
  const folder = dirname(path);
  return /[/\\]\.(vscode|cursor)$/.test(folder) ? dirname(folder) : folder;
}

function decide(all: readonly Found[], config: OwnConfig): readonly Decision[] {
  const offered = new Map<string, Found>();
  return all.map((found) => {
    const { name, entry, problem } = found;
    if (problem !== undefined) return { found, skipped: problem };
    const taken = sameName(config, name);
    if (taken !== undefined) {
      const isSame = isDeepStrictEqual(config.servers.get(taken), entry);
      const skipped = isSame
        ? 'it is imported already'
        : `a server is called '${taken}' here already; take it under another name with: starling mcp add <name> -- <command>`;
      return { found, skipped };
    }
    const other = offered.get(name);
    if (other !== undefined) {
      const isSame = isDeepStrictEqual(other.entry, entry);
      const skipped = isSame
        ? `it is the same as that of ${other.source.title}`
        : `${other.source.title} has another server of that name; import the files one by one`;
      return { found, skipped };
    }
    offered.set(name, found);
    return { found };
  });
}

function show({ found, skipped }: Decision): void {
  const { name, writtenName, source, entry, remarks, unset } = found;
  // What stays where it is keeps its name.
  const title =
    skipped !== undefined || name === writtenName
      ? writtenName
      : `${name} ('${writtenName}' there)`;
  // A file that was named by its path has no other title.
  const from = source.title === source.path ? source.path : `${source.title}: ${source.path}`;
  tell(`${paintTalk.bold(safeLine(title))}  ${safeLine(from)}`);
  for (const line of describeEntry(factsOf(entry))) tell(`  ${line}`);
  for (const remark of remarks) tell(`  ${paintTalk.yellow('!')} ${safeLine(remark)}`);
  for (const name of unset)
    tell(`  ${paintTalk.yellow('!')} ${name} is not set here: the node needs it`);
  if (skipped !== undefined) tell(`  ${paintTalk.yellow('not imported:')} ${safeLine(skipped)}`);
}

/** The servers that the person agrees to. @throws STARLING_USAGE where nobody can be asked */
async function choose(offered: readonly Found[], yes: boolean): Promise<readonly Found[]> {
  if (yes || offered.length === 0) return offered;
  if (!canAsk()) throw nobodyAgreed(`${offered.length} of these can be imported`);
  const chosen: Found[] = [];
  for (const [index, found] of offered.entries()) {
    const answer = await ask(`import '${found.name}'?`, ['no', 'yes', 'all', 'quit']);
    if (answer === 'all') return [...chosen, ...offered.slice(index)];
    if (answer === 'quit') break;
    if (answer === 'yes') chosen.push(found);
  }
  return chosen;
}

function listed(sources: readonly Source[]): string {
  return sources.map(({ title, path }) => `  ${title}: ${safeLine(path)}`).join('\n');
}
