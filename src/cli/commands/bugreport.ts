/** `starling bugreport` */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import type { BugreportResult } from '../../builtin/results.ts';
import { readConfigTree } from '../../config/load.ts';
import { tokenFile } from '../../config/paths.ts';
import { shownConfig } from '../../config/shown-config.ts';
import type { ShownConfig } from '../../config/shown-config.ts';
import { StarlingError } from '../../core/errors.ts';
import { makeFile } from '../../core/system/new-file.ts';
import { VERSION } from '../../core/version.ts';
import { createSecretRemover } from '../../core/words/without-secrets.ts';
import { configFileMeant, likelyStateDir, runChecks } from '../checks/run-checks.ts';
import type { Finding } from '../checks/check.ts';
import { whileShown } from '../terminal/progress.ts';
import { withNode } from '../node/locate-node.ts';
import { print, printData } from '../terminal/output.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** Variables whose values are taken out wherever they stand. */
const SECRET_NAME = /key|token|secret|pass|credential|auth|cookie/i;
const TIMEOUT_MS = 10_000;
const OWN_MODE = 0o600;
const ELSEWHERE =
  'name another file: starling bugreport --out <file>; or print the report: starling bugreport --out -';

interface BugreportOptions extends CommonOptions {
  readonly out?: string;
}

/** What a report is made of. */
interface Gathered {
  readonly findings: readonly Finding[];
  readonly file: string;
  readonly config: ShownConfig | string;
  /** Of the running node, or why there is none. */
  readonly node: BugreportResult | string;
}

/** Writes one file with what somebody who looks for a fault needs to know, and no secret. */
export async function run(options: BugreportOptions): Promise<void> {
  const at = new Date().toISOString();
  const { out = `starling-bugreport-${at.slice(0, 19).replaceAll(/[-:]/g, '')}.md` } = options;
  const gathered = await whileShown('gathering what is known', () => gather(options));
  const text = await withoutSecrets(options, gathered, reportOf(gathered, at));
  if (out === '-') {
    print(text);
    return;
  }
  const path = resolve(out);
  await makeFile(path, { mode: OWN_MODE, hint: ELSEWHERE }, (add) => add(text));
  const bytes = Buffer.byteLength(text);
  printData({ file: path, bytes }, options.json === true, () =>
    [
      `The report is in ${path} (${Math.ceil(bytes / 1024)} KiB).`,
      'Secrets are taken out. It names this machine, its servers, and your peers with their addresses: read it before you pass it on.',
    ].join('\n'),
  );
}

async function gather(options: CommonOptions): Promise<Gathered> {
  const file = await configFileMeant(options);
  const [findings, config, node] = await Promise.all([
    runChecks(options),
    configOf(file),
    nodeOf(options),
  ]);
  return { file, findings, config, node };
}

async function configOf(file: string): Promise<Gathered['config']> {
  try {
    const tree = await readConfigTree(file);
    return tree === undefined ? 'There is no such file: all is as by default.' : shownConfig(tree);
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    return error.message;
  }
}

async function nodeOf(options: CommonOptions): Promise<Gathered['node']> {
  try {
    return await withNode({ state: await likelyStateDir(options) }, (node) =>
      node.builtin<BugreportResult>('bugreport', {}, { timeoutMs: TIMEOUT_MS }),
    );
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    return `${error.message} [${error.code}]`;
  }
}

function reportOf({ findings, file, config, node }: Gathered, at: string): string {
  const runs = typeof node === 'string' ? `No node answers: ${node}` : describe(node);
  return [
    `# Starling ${VERSION}, ${at}`,
    'What happened, and what was expected: (please write it here)',
    '## Node',
    `The command is Starling ${VERSION} on Node.js ${process.version}, ${process.platform} ${process.arch}.`,
    runs,
    '## Health',
    findings.map(lineOf).join('\n'),
    '## Configuration',
    file,
    typeof config === 'string' ? config : code(config.shown),
    ...(typeof node === 'string' ? [] : sectionsOf(node)),
    '',
  ].join('\n\n');
}

function describe({ version, node, system, runningS, memoryBytes }: BugreportResult): string {
  const memory = Math.round(memoryBytes / 1024 / 1024);
  return `The node is Starling ${version} on Node.js ${node}, ${system}; its process has run for ${runningS} s and uses ${memory} MiB.`;
}

function sectionsOf({ status, peers, log }: BugreportResult): readonly string[] {
  const lines = Array.isArray(log) ? log.map((line) => JSON.stringify(line)).join('\n') : '';
  return ['## Status', code(status), '## Peers', code(peers), '## Log', fenced(lines, '')];
}

function lineOf({ check, result, text, hint }: Finding): string {
  return `- ${result} ${check}: ${text}${hint === undefined ? '' : ` → ${hint}`}`;
}

function code(value: unknown): string {
  return fenced(JSON.stringify(value, undefined, 2), 'json');
}

/** A block that no text within can end (CommonMark §4.5). */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

async function withoutSecrets(
  options: CommonOptions,
  { config }: Gathered,
  text: string,
): Promise<string> {
  const named = Object.entries(process.env).flatMap(([name, value]) =>
    SECRET_NAME.test(name) && value !== undefined ? [value] : [],
  );
  // Where there is no token yet, none can stand anywhere.
  const token = await readFile(tokenFile(await likelyStateDir(options)), 'utf8').catch(() => '');
  const hidden = typeof config === 'string' ? [] : config.hidden;
  const clean = createSecretRemover([...hidden, ...named, token.trim()]);
  return clean(text).replaceAll(homedir(), '~');
}
