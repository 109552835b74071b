/**
 * What a node signs about its log: where it stands (a checkpoint), and up to where it was removed when
 * its time was over (a removal). Both have one form, and a label keeps one from passing as the other.
 */
import { verifySignature } from '../identity/index.ts';
import type { Signer } from '../identity/index.ts';
import { isCheckpoint } from './format.ts';
import type { Checkpoint } from './types.ts';

/** What a signature is about. */
export type SealLabel = 'checkpoint' | 'removal';

const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;

/**
 * Signs that line `seq` has the hash `hash`. The signed text is the lines
 * `starling-audit-<label>-v1`, `did: …`, `seq: …`, `hash: …`, `at: …`, each with a line feed.
 */
export function sealLine(
  signer: Signer,
  label: SealLabel,
  line: { readonly seq: number; readonly hash: string; readonly at: number },
): Checkpoint {
  const body = { seq: line.seq, hash: line.hash, at: line.at, did: signer.did };
  const sig = Buffer.from(signer.sign(textOf(label, body))).toString('base64url');
  return { ...body, sig };
}

/** True when the key of its `did` signed it. Whose did that may be is for the caller to know. */
export function isSealed(value: unknown, label: SealLabel): value is Checkpoint {
  if (!isCheckpoint(value) || !SIGNATURE.test(value.sig)) return false;
  return verifySignature(value.did, textOf(label, value), Buffer.from(value.sig, 'base64url'));
}

function textOf(label: SealLabel, body: Omit<Checkpoint, 'sig'>): Buffer {
  return Buffer.from(
    [
      `starling-audit-${label}-v1`,
      `did: ${body.did}`,
      `seq: ${body.seq}`,
      `hash: ${body.hash}`,
      `at: ${body.at}`,
      '',
    ].join('\n'),
  );
}
