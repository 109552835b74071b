/** `/metrics`: the figures of the node, for the operator and for keys of the scope `metrics` (Prometheus scrapes). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import { METRICS_SCOPE } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Credential, MetricsFace } from '../door/types.ts';
import type { RateLimit } from '../door/rate-limit.ts';
import { refuse, usage } from './http-reply.ts';

/** Where it is. */
export const METRICS_PATH = '/metrics';

/** What the page works with. */
export interface MetricsPageComponents {
  readonly metrics: MetricsFace;
  readonly rateLimit: RateLimit;
  readonly logger: Logger;
}

/** Answers a scrape of whoever has proven who it is. */
export function serveMetrics(
  { metrics, rateLimit, logger }: MetricsPageComponents,
  request: IncomingMessage,
  response: ServerResponse,
  credential: Credential,
): void {
  if (request.method !== 'GET') {
    return refuse(response, 405, usage('allowed: GET'), { allow: 'GET' });
  }
  if (!maySee(credential.principal)) {
    const error = new StarlingError('STARLING_CALL_REFUSED', 'your key is not for the metrics', {
      hint: `make one that is: starling key create prometheus --scope ${METRICS_SCOPE}`,
    });
    return refuse(response, 403, error);
  }
  const tooMuch = rateLimit.take(credential.id);
  if (tooMuch !== undefined) {
    return refuse(response, tooMuch.status, tooMuch.error, tooMuch.headers);
  }
  metrics.text().then(
    ({ type, text }) => {
      response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
    },
    (error: unknown) => {
      logger.error({ error: messageOf(error) }, 'metrics not told');
      refuse(response, 500, error);
    },
  );
  return undefined;
}

/** The scope must be named: `*` is what servers offer, and the figures are the node's own. */
function maySee(principal: Principal): boolean {
  if (principal.kind === 'operator') return true;
  return principal.kind === 'client' && principal.scopes.includes(METRICS_SCOPE);
}
