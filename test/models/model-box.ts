/** A whole node with models of a vendor of ours at the wire, to be asked at its HTTP door. */
import type { Machine, NodeFlags, WholeNodes } from '../fixtures/whole-nodes.ts';
import { startVendor } from './fake-vendor.ts';
import type { FakeVendor } from './fake-vendor.ts';

/** What every model of the vendor answers. */
export const TEXT = 'The mesh says hello.';

/** A node `box`, and the vendor behind it. */
export interface ModelBox extends Machine {
  readonly vendor: FakeVendor;
  /** Where the door of models is. */
  readonly base: string;
  readonly stateDir: string;
}

/** Starts it; `models` is told where the vendor is. */
export async function startModelBox(
  nodes: WholeNodes,
  models: (vendorUrl: string) => NonNullable<NodeFlags['models']>,
  { env, ...flags }: NodeFlags & { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ModelBox> {
  const vendor = await startVendor();
  nodes.cleanups.push(() => vendor.stop());
  const where = env === undefined ? {} : { env };
  const machine = await nodes.start({ ...flags, name: 'box', models: models(vendor.url) }, where);
  const { endpoints, stateDir } = machine.node.status();
  return { ...machine, vendor, stateDir, base: new URL('/v1', endpoints.url).href };
}
