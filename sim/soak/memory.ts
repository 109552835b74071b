/** What the probe in a node's process sees. */
import { connect } from 'node:net';

/** Memory of a node after a collection, bytes. */
export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  /** Buffers and the like, beside the heap. */
  readonly external: number;
}

/** Asks the probe at `path`. */
export async function measureMemory(path: string): Promise<Memory> {
  const socket = connect(path);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Memory;
}
