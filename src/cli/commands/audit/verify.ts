/** `starling audit verify` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import { verifyLog } from '../../../audit/index.ts';
import type { AuditVerdict } from '../../../audit/index.ts';
import type { AuditVerifyResult, AuditWitness } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { auditDidsOf, auditFolderOf } from '../../node/audit-folder.ts';
import type { FolderOptions } from '../../node/audit-folder.ts';
import { checkpointsSeen } from '../../node/checkpoints-seen.ts';
import { ago, paint, printData, safeLine, sentence } from '../../terminal/output.ts';
import { whileShown } from '../../terminal/progress.ts';
import { withNode } from '../../node/locate-node.ts';

const TIMEOUT_MS = 600_000;

/** The checkpoints that a record was compared with. */
interface Compared {
  readonly witnesses?: readonly AuditWitness[];
  /** Checkpoints of the record that the node of this machine has seen. */
  readonly seenHere?: number;
  /** Why those checkpoints could not be read. */
  readonly bookProblem?: string;
}

/** Verifies the record; exit code 1 when it does not hold. */
export async function run(options: FolderOptions): Promise<ExitCode> {
  const isHere = options.folder === undefined && options.did === undefined;
  const asked = isHere ? await askNode(options) : undefined;
  const verdict = asked ?? (await readFolder(options));
  printData(verdict, options.json === true, () => show(verdict));
  return verdict.ok ? 0 : 1;
}

/** The verdict of the running node; undefined when none runs. */
async function askNode(options: FolderOptions): Promise<AuditVerifyResult | undefined> {
  try {
    return await withNode(options, (node) =>
      node.builtin<AuditVerifyResult>('audit_verify', {}, { timeoutMs: TIMEOUT_MS }),
    );
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (isAbsent) return undefined;
    throw error;
  }
}

/** The verdict of the files, compared with what the node of this machine has seen of them. */
async function readFolder(options: FolderOptions): Promise<AuditVerdict & Compared> {
  const dids = await auditDidsOf(options);
  const folder = await auditFolderOf(options);
  const { checkpoints, problem } = await checkpointsSeen(dids, options);
  const verdict = await whileShown('verifying the record', () =>
    verifyLog(folder, { did: dids, checkpointsSeen: checkpoints }),
  );
  return {
    ...verdict,
    seenHere: checkpoints.length,
    ...(problem === undefined ? {} : { bookProblem: problem }),
  };
}

function show(verdict: AuditVerdict & Compared): string {
  const { ok, entries, segments, unsigned, checkpoint, removedThrough, findings } = verdict;
  const signed =
    checkpoint === undefined
      ? 'none is signed yet'
      : `signed up to entry ${checkpoint.seq}, ${ago(checkpoint.at)}${unsigned > 0 ? `, ${unsigned} came since` : ''}`;
  const old = removedThrough > 0 ? `; up to entry ${removedThrough} removed for its age` : '';
  const what = `${entries} ${entries === 1 ? 'entry' : 'entries'} in ${segments} ${segments === 1 ? 'file' : 'files'}: ${signed}${old}`;
  const compared = showCompared(verdict);
  const told = (lines: readonly string[]): string =>
    lines.map((line) => sentence('', line)).join('\n');
  if (ok) return told([`${paint.green('the record holds')}: ${what}`, ...compared]);
  const lines = findings.map(({ segment, line, rule, text }) => {
    const place = [segment || 'the record', ...(line > 0 ? [`line ${line}`] : [])].join(', ');
    return safeLine(`${place}: ${rule}: ${text}`);
  });
  return told([`${paint.red('the record was changed')} (${what})`, ...lines, ...compared]);
}

function showCompared({ witnesses = [], seenHere = 0, bookProblem }: Compared): readonly string[] {
  const own =
    seenHere === 0
      ? []
      : [
          `compared with ${seenHere} checkpoint${seenHere === 1 ? '' : 's'} that the node here has seen`,
        ];
  const problem =
    bookProblem === undefined
      ? []
      : [`not compared with what the node here has seen: ${safeLine(bookProblem)}`];
  return [...own, ...problem, ...witnesses.map(showWitness)];
}

function showWitness({ peer: alias, answered, seen, upTo, differs }: AuditWitness): string {
  const peer = safeLine(alias);
  if (!answered) return `${peer} did not say what it has seen`;
  if (seen === 0) return `${peer} has seen nothing of it yet`;
  const [first] = differs.toReversed();
  if (first === undefined) return `${peer} has seen the same, up to entry ${upTo}`;
  const others = differs.length > 1 ? ` (and ${differs.length - 1} later)` : '';
  const at = new Date(first.at).toISOString();
  return `${paint.red(`${peer} has seen another entry ${first.seq}`)}, signed at ${at}${others}`;
}
