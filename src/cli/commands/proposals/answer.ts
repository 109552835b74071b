/** `starling proposals approve` and `starling proposals deny` */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { StarlingError } from '../../../core/errors.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import { shellWord } from '../../../core/words/shell-word.ts';
import { dataFolderOf, entryOf, placeOf } from '../../../proposals/config-entry.ts';
import { digestOf } from '../../../proposals/digest.ts';
import { placeFiles } from '../../../proposals/place-files.ts';
import type {
  ProposalAnswerResult,
  ProposalShowResult,
  ProposedProgram,
} from '../../../proposals/types.ts';
import {
  nextStep,
  readOwnConfig,
  sameName,
  withEntry,
  writeOwnConfig,
} from '../../node/config-file.ts';
import type { OwnConfig } from '../../node/config-file.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { asSentence, print, printData, safe, safeLine, tell } from '../../terminal/output.ts';
import { ask, canAsk } from '../../terminal/questions/ask.ts';
import { textOf } from './show.ts';

interface ApproveOptions extends CommonOptions {
  readonly digest?: string;
}

interface DenyOptions extends CommonOptions {
  readonly reason?: string;
}

/** As many characters of a digest as nobody finds another program for. */
const DIGEST_MIN = 16;

/**
 * Shows the difference, asks, and writes what was agreed to: first the answer, then the files, then the entry. Whatever ends in
 * between, the same command goes on where it was. @throws what {@link readOwnConfig} and the node do
 */
export async function approve(id: string, options: ApproveOptions): Promise<ExitCode | void> {
  const shown = await withNode(options, (node) =>
    node.builtin<ProposalShowResult>('proposal_show', { id }),
  );
  const config = await readOwnConfig(options);
  requireThisFile(config, shown);
  if (!(await isAgreed(shown, options))) {
    tell('nothing was approved');
    return 1;
  }
  const answered = await withNode(options, (node) =>
    node.builtin<ProposalAnswerResult>('proposal_answer', {
      id: shown.proposal.id,
      approve: true,
      digest: shown.proposal.digest,
    }),
  );
  const { folder, program, proposal } = answered;
  if (program === undefined || digestOf(program) !== shown.proposal.digest) {
    throw new StarlingError('STARLING_PROPOSAL_REFUSED', 'the node gave another program', {
      hint: `look at it again: starling proposals show ${proposal.id.slice(0, 8)}`,
      data: { reason: 'changed' },
    });
  }
  const isNew = isToBeWritten(config, program, folder);
  await placeFiles(folder, { files: program.files, data: dataFolderOf(program, folder) });
  const entry = entryOf(program, folder);
  if (isNew) {
    await writeOwnConfig(config, withEntry(config, placeOf(program), [program.name, entry]));
  }
  const { path } = config.file;
  const see =
    program.what === 'server' ? 'starling mcp list' : `starling agent spawn ${program.name}`;
  const next = await nextStep(options, path, see);
  printData(
    { proposal, file: path, folder, node: next.node },
    options.json === true,
    () => `${safeLine(`approved: ${program.name} is in ${path}`)}\n${next.text}`,
  );
}

/** Refuses it. */
export async function deny(id: string, options: DenyOptions): Promise<void> {
  const { reason } = options;
  const result = await withNode(options, (node) =>
    node.builtin<ProposalAnswerResult>('proposal_answer', {
      id,
      approve: false,
      ...(reason === undefined ? {} : { reason }),
    }),
  );
  const { proposal } = result;
  const { agent, name, state } = proposal;
  printData({ proposal }, options.json === true, () =>
    asSentence(safeLine(`${state}: '${name}' of ${agent}`)),
  );
}

/** @throws STARLING_USAGE where the command would write another file than the node reads */
function requireThisFile({ file }: OwnConfig, { configFile }: ProposalShowResult): void {
  if (resolve(file.path) === resolve(configFile)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `the node reads ${configFile}, and this command would write ${file.path}`,
    { hint: `name that one: --config ${shellWord(configFile)}` },
  );
}

async function isAgreed(shown: ProposalShowResult, options: ApproveOptions): Promise<boolean> {
  const { digest } = shown.proposal;
  const said = options.digest?.toLowerCase();
  if (said !== undefined) {
    if (said.length >= DIGEST_MIN && digest.startsWith(said)) return true;
    throw new StarlingError(
      'STARLING_PROPOSAL_REFUSED',
      `the digest of proposal ${shown.proposal.id.slice(0, 8)} is another one`,
      {
        hint: `look at it again, and give at least ${DIGEST_MIN} characters: starling proposals show ${shown.proposal.id.slice(0, 8)}`,
        data: { reason: 'changed' },
      },
    );
  }
  if (options.json !== true) print(textOf(shown));
  if (options.json === true || !canAsk()) {
    throw new StarlingError(
      'STARLING_USAGE',
      'a program that a model wrote would run on this machine, and nobody can be asked here',
      {
        hint: `look at it, then agree to just that: starling proposals approve ${shown.proposal.id.slice(0, 8)} --digest ${digest.slice(0, DIGEST_MIN)}`,
      },
    );
  }
  return (await ask(safe('Let this run, just as it stands here?'), ['no', 'yes'])) === 'yes';
}

/** False where just this entry is there already. @throws STARLING_USAGE where another one has its name */
function isToBeWritten(config: OwnConfig, program: ProposedProgram, folder: string): boolean {
  const { name, what } = program;
  const own: JsonObject = entryOf(program, folder);
  const entries = what === 'server' ? config.servers : config.kinds;
  if (isDeepStrictEqual(entries.get(name), own)) return false;
  const isThere = entries.has(name) ? name : undefined;
  const taken = what === 'server' ? sameName(config, name) : isThere;
  if (taken === undefined) return true;
  throw new StarlingError(
    'STARLING_USAGE',
    `'${taken}' is in ${config.file.path} already, and a proposal changes nothing that is there`,
    { hint: 'take that one out first, or deny the proposal' },
  );
}
