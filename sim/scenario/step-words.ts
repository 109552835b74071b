/** What a step does, in a few words. */
import type { Step } from './plan.ts';

/** The words of a step that concerns more than one node's running. */
export function wordsOf(step: Step): string {
  switch (step.act) {
    case 'cut':
    case 'mend':
      return `${step.act} ${listed(step.from)} ${step.oneway ? 'to' : 'and'} ${listed(step.to)}`;
    case 'link':
      return `link ${listed(step.from)} and ${listed(step.to)} ${JSON.stringify(step.shape)}`;
    case 'clock':
      return `the clock of ${step.node} ${step.byMs} ms`;
    case 'disk':
      return `the disk of ${step.node} is ${step.state}`;
    case 'record':
      return `records of ${step.node}`;
    case 'hostile':
      return `${step.name}: ${step.behaviour}`;
    default:
      return step.act;
  }
}

function listed(names: readonly string[]): string {
  return names.length > 4
    ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
    : names.join(', ');
}
