/** Lines to a slow peer wait, in order and within bounds, and do not end the stream. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import {
  WAITING_BYTES_MAX,
  createPeerWriter,
} from '../../../src/gateway/wire/peers/peer-writer.ts';
import type { PeerWriter } from '../../../src/gateway/wire/peers/peer-writer.ts';
import { streamPair, until } from '../support/gateways.ts';

const MIB = 1024 * 1024;

interface Pipe {
  readonly writer: PeerWriter;
  readonly blocked: boolean[];
  readonly ended: () => boolean;
  /** Bytes that came through, and the first byte of each line. */
  readonly read: () => { readonly sizeBytes: number; readonly lines: number };
  readonly resume: () => void;
}

/** A writer whose far end does not read until told to. */
function pipeOf(): Pipe {
  const [near, far] = streamPair('far' as PeerId, 'near' as PeerId);
  let [sizeBytes, lines, ended] = [0, 0, false];
  far.pause();
  far.onData((chunk) => {
    sizeBytes += chunk.length;
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, at + 1)) lines += 1;
  });
  near.onEnd(() => {
    ended = true;
  });
  const writer = createPeerWriter(near, silentLogger);
  const blocked: boolean[] = [];
  writer.onBlocked((isBlocked) => blocked.push(isBlocked));
  return {
    writer,
    blocked,
    ended: () => ended,
    read: () => ({ sizeBytes, lines }),
    resume: () => far.resume(),
  };
}

const line = (sizeBytes: number): Buffer => Buffer.alloc(sizeBytes, 'x');

describe('a writer to a peer that does not read', () => {
  it('keeps 40 MB for it, says that it is blocked, and sends all once it reads', async () => {
    const { writer, blocked, ended, read, resume } = pipeOf();
    for (let count = 0; count < 40; count += 1) expect(writer.line(line(MIB))).toBe(true);
    await until(() => blocked.length === 1);
    expect(ended()).toBe(false);
    resume();
    await until(() => read().lines === 40);
    expect(read().sizeBytes).toBe(40 * (MIB + 1));
    await until(() => blocked.at(-1) === false);
    expect(ended()).toBe(false);
  });

  it('sends one message that is larger than what the stream takes at once', async () => {
    const { writer, ended, read, resume } = pipeOf();
    resume();
    writer.line(line(30 * MIB));
    await until(() => read().lines === 1);
    expect(ended()).toBe(false);
  });

  it('refuses what is over its bound, keeps room for what is urgent, then gives up', async () => {
    const { writer, ended } = pipeOf();
    while (writer.line(line(4 * MIB)));
    expect(ended()).toBe(false);
    expect(writer.line(line(WAITING_BYTES_MAX))).toBe(false);
    writer.urgent(line(1000));
    expect(ended()).toBe(false);
    for (let count = 0; count < 6 && !ended(); count += 1) writer.urgent(line(MIB));
    expect(ended()).toBe(true);
  });

  it('drops everything after the stream’s end', async () => {
    const { writer, blocked, ended } = pipeOf();
    writer.line(line(4 * MIB));
    await until(() => blocked.length > 0);
    while (!ended()) writer.urgent(line(8 * MIB));
    await until(() => writer.line(line(WAITING_BYTES_MAX * 2)));
  });
});
