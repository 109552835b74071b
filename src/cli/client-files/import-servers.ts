/**
 * Servers in the files of MCP clients, made into entries of ours. Nothing here runs or connects: the
 * command of a file is only text until its owner has seen it and agreed.
 */
import { homedir } from 'node:os';
import { basename, dirname } from 'node:path';
import { checkMcpServer } from '../../config/check-server.ts';
import { wrongName } from '../../config/mcp-servers.ts';
import { mcpServerSchema } from '../../config/schema.ts';
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { readJsonFile } from './json-file.ts';
import { parseJsonc, valueOf } from './jsonc.ts';
import { isObject } from '../../core/shape.ts';

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
  /** Keys that we have no use for. */
  readonly leftOut: readonly string[];
  /** Variables that are not set in this shell. */
  readonly unset: readonly string[];
  /** Why it can't be taken. */
  readonly problem?: string;
}

/** Keys that say something to their client only. */
const IGNORED = ['autoApprove', 'alwaysAllow', 'description'];
const KNOWN: readonly string[] = Object.keys(mcpServerSchema.shape);
const NAME_MAX = 32;

/** The servers of a file; none when it is missing. @throws STARLING_CONFIG_INVALID */
export async function serversIn(source: Source): Promise<readonly Found[]> {
  const file = await readJsonFile(source.path);
  if (!file.exists) return [];
  const tree = valueOf(parseJsonc(file.text, source.path));
  const top = isObject(tree) ? tree : {};
  const projects = isObject(top['projects']) ? top['projects'] : {};
  const own = source.project === undefined ? undefined : projects[source.project];
  const groups = [top['mcpServers'], top['servers'], isObject(own) ? own['mcpServers'] : undefined];
  return groups
    .filter((each) => isObject(each))
    .flatMap((group) => Object.entries(group))
    .map(([name, written]) => found(source, name, written ?? null));
}

/** Fails when `path` is no file that holds servers. @throws STARLING_USAGE */
export async function mustHoldServers(source: Source): Promise<void> {
  const file = await readJsonFile(source.path);
  const tree = file.exists ? valueOf(parseJsonc(file.text, source.path)) : undefined;
  if (isObject(tree) && (isObject(tree['mcpServers']) || isObject(tree['servers']))) return;
  throw new StarlingError(
    'STARLING_USAGE',
    file.exists ? `${source.path} holds no MCP servers` : `there is no file ${source.path}`,
    {
      hint: 'name a file with `mcpServers` (or `servers`), or a client: starling mcp import --help',
    },
  );
}

function found(source: Source, writtenName: string, written: Json): Found {
  const name = fitName(writtenName);
  const fields = isObject(written) ? written : {};
  const problems: string[] = [];
  const entry: Record<string, Json> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (!KNOWN.includes(key) || IGNORED.includes(key) || value === undefined) continue;
    entry[key] = expand(withTexts(key, value), source, problems);
  }
  const leftOut = Object.keys(fields).filter((key) => !KNOWN.includes(key));
  const check = checkMcpServer(name, entry, process.env);
  const why = whyNot(name, entry, problems.length > 0 ? problems : check.problems);
  return {
    source,
    name,
    writtenName,
    entry,
    leftOut,
    unset: check.unset,
    ...(why === undefined ? {} : { problem: why }),
  };
}

function whyNot(name: string, entry: JsonObject, problems: readonly string[]): string | undefined {
  if (isStarling(entry)) return 'it is Starling itself, which is here already';
  return wrongName(name) ?? ([...new Set(problems)].join('; ') || undefined);
}

/** A name as we allow it: `io.github.x/files` becomes `io-github-x-files`. */
function fitName(written: string): string {
  return written
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/_{2,}/g, '_')
    .replaceAll(/^[-_]+/g, '')
    .slice(0, NAME_MAX)
    .replaceAll(/[-_]+$/g, '');
}

/** VS Code takes numbers and null in `env`; Claude Code has scopes as one text. */
function withTexts(key: string, value: Json): Json {
  if (key === 'env' && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, one]) => {
        const isPlain = typeof one === 'number' || typeof one === 'boolean';
        return one === null ? [] : [[name, isPlain ? String(one) : (one as Json)] as const];
      }),
    );
  }
  if (key === 'oauth' && isObject(value) && typeof value['scopes'] === 'string') {
    return { ...value, scopes: value['scopes'].split(' ').filter((scope) => scope !== '') };
  }
  return value;
}

/** Puts in what an editor would; `${VAR}` and `${env:VAR}` are ours as well. */
function expand(value: Json, source: Source, problems: string[]): Json {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\{([^}]*)\}/g, (whole, word: string) => {
      if (word === 'userHome') return homedir();
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

function isStarling(entry: JsonObject): boolean {
  const { command, args } = entry;
  if (typeof command !== 'string' || !Array.isArray(args) || !args.includes('mcp')) return false;
  if (/^starling(\.cmd|\.exe)?$/.test(basename(command))) return true;
  const script = args[args.indexOf('mcp') - 1];
  return (
    typeof script === 'string' &&
    (script === process.argv[1] ||
      basename(script) === 'starling' ||
      basename(dirname(dirname(script))) === 'starling')
  );
}
