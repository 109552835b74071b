/**
 * Servers in the files of MCP clients, made into entries of ours. Nothing here runs or connects: the
 * command of a file is only text until its owner has seen it and agreed.
 */
import { homedir } from 'node:os';
import { basename, sep } from 'node:path';
import { checkMcpServer } from '../../config/servers/check-server.ts';
import { plainEntry } from '../../config/servers/client-entries.ts';
import { serverName, wrongName } from '../../config/servers/mcp-servers.ts';
import { ITSELF, isStarlingItself } from '../../config/servers/own-entry.ts';
import { mcpServerSchema } from '../../config/schema/server-schema.ts';
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { readJsonFile } from './json-file.ts';
import { parseJsonc, valueOf } from './jsonc.ts';
import { isObject } from '../../core/json/value-checks.ts';

/** A file to import from. */
export interface Source {
  readonly title: string;
  readonly path: string;
  /** Folder that the file's `${workspaceFolder}` means; absent where there is none. */
  readonly workspace?: string;
  /** Claude Code keeps servers of one project in the user's file: of which folder. */
  readonly project?: string;
}

/** A server that was found. */
export interface Found {
  readonly source: Source;
  /** The server's name as it would be here. */
  readonly name: string;
  /** The server's name in the client's file. */
  readonly writtenName: string;
  readonly entry: JsonObject;
  /** What is not taken as it is written there: a sentence each. */
  readonly remarks: readonly string[];
  /** Variables that are not set in this shell. */
  readonly unset: readonly string[];
  /** Why it can't be taken. */
  readonly problem?: string;
}

/** Where servers stand in a client's file: in most, in VS Code's, in Zed's. */
const KEYS = ['mcpServers', 'servers', 'context_servers'];
const OUR_KEYS = Object.keys(mcpServerSchema.shape);

/** The servers of a file; none when it is missing. @throws STARLING_CONFIG_INVALID */
export async function serversIn(source: Source): Promise<readonly Found[]> {
  const file = await readJsonFile(source.path);
  if (!file.exists) return [];
  const tree = valueOf(parseJsonc(file.text, source.path));
  const top = isObject(tree) ? tree : {};
  const projects = isObject(top['projects']) ? top['projects'] : {};
  const own = source.project === undefined ? undefined : projects[source.project];
  const groups = [
    ...KEYS.map((key) => top[key]),
    inSettings(top),
    isObject(own) ? own['mcpServers'] : undefined,
  ];
  return groups
    .filter((each) => isObject(each))
    .flatMap((group) => Object.entries(group))
    .map(([name, written]) => found(source, name, written ?? null));
}

/** Fails when `path` is no file that holds servers. @throws STARLING_USAGE */
export async function mustHoldServers(source: Source): Promise<void> {
  const file = await readJsonFile(source.path);
  const tree = file.exists ? valueOf(parseJsonc(file.text, source.path)) : undefined;
  if (isObject(tree) && [...KEYS.map((key) => tree[key]), inSettings(tree)].some(isObject)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    file.exists ? `${source.path} holds no MCP servers` : `there is no file ${source.path}`,
    {
      hint: "name a file with `mcpServers`, `servers`, `context_servers` or VS Code's `mcp`, or a client: starling mcp import --help",
    },
  );
}

/** Where VS Code had servers in its `settings.json` before they had a file of their own. */
function inSettings(top: JsonObject): Json | undefined {
  const { mcp } = top;
  return isObject(mcp) ? mcp['servers'] : undefined;
}

function found(source: Source, writtenName: string, written: Json): Found {
  const name = serverName(writtenName);
  const problems: string[] = [];
  const { entry: plain, remarks } = plainEntry(isObject(written) ? written : {}, OUR_KEYS);
  const entry = Object.fromEntries(
    Object.entries(plain).map(([key, value]) => [key, expand(value ?? null, source, problems)]),
  );
  const check = checkMcpServer(name, entry, process.env);
  const why = whyNot(name, entry, problems.length > 0 ? problems : check.problems);
  return {
    source,
    name,
    writtenName,
    entry,
    remarks: [...new Set([...remarks, ...check.remarks])],
    unset: check.unset,
    ...(why === undefined ? {} : { problem: why }),
  };
}

function whyNot(name: string, entry: JsonObject, problems: readonly string[]): string | undefined {
  if (isStarlingItself(entry)) return ITSELF;
  return wrongName(name) ?? ([...new Set(problems)].join('; ') || undefined);
}

/** Puts in what an editor would; `${VAR}` and `${env:VAR}` are ours as well. */
function expand(value: Json, source: Source, problems: string[]): Json {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\{([^}]*)\}/g, (whole, word: string) => {
      if (word === 'userHome') return homedir();
      if (word === '/' || word === 'pathSeparator') return sep;
      if (word === 'workspaceFolderBasename' && source.workspace !== undefined) {
        return basename(source.workspace);
      }
      if (word === 'workspaceFolder' && source.workspace !== undefined) return source.workspace;
      if (word.startsWith('input:')) {
        problems.push(
          `it asks for \${${word}}, and here nobody is asked; write \${VARIABLE} there`,
        );
      } else if (
        !/^(env:)?[A-Za-z_]\w*(:-[^]*)?$/.test(word) ||
        word.startsWith('workspaceFolder')
      ) {
        problems.push(`it uses \${${word}}, which only its editor knows`);
      }
      return whole;
    });
  }
  if (Array.isArray(value)) return value.map((item: Json) => expand(item, source, problems));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, expand(below ?? null, source, problems)]),
  );
}
