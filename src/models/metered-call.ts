/** One call that is counted, with what it costs by the price of its model. */
import type { KnownPrice } from './prices/price-table.ts';
import { costOfUsage } from './prices/price-table.ts';
import type { Usage } from './types.ts';
import type { Metered } from './usage/usage-book.ts';

/** Counts what it took, and what `booked` says of what that costs. */
export function meteredAs(
  counted: Metered,
  price: KnownPrice,
  booked: (microUsd: number) => number,
): { readonly metered: Metered; readonly told: () => Usage | undefined } {
  let told: Usage | undefined;
  return {
    metered: {
      ...counted,
      used(usage) {
        told = usage;
        counted.used(usage);
        counted.paid(booked(costOfUsage(price, usage)), price.source === 'unknown');
      },
    },
    told: () => told,
  };
}
