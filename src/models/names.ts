/** Names of models: `<provider>/<model>`, and of a peer's `@<peer>/<provider>/<model>`. Pure. */
import { StarlingError, printable } from '../core/index.ts';
import { encodeSegment } from '../grants/index.ts';

const NAME_MAX = 300;
const NAME = /^(?:@([^/]{1,64})\/)?([A-Za-z0-9][A-Za-z0-9._-]{0,31})\/(.+)$/;

/** The ability that a grant or a scope must give. */
export const USE = 'model/use';

/** What a name says. */
export interface ModelName {
  /** The peer that is meant; absent: this node, or else the one peer that has such a model. */
  readonly peer?: string;
  readonly provider: string;
  /** By the provider's own name; it may hold `/`. */
  readonly model: string;
}

/** Reads a name. @throws STARLING_MODEL_UNKNOWN */
export function readModelName(text: string): ModelName {
  const [, peer, provider = '', model = ''] = text.length > NAME_MAX ? [] : (NAME.exec(text) ?? []);
  if (model === '') {
    throw unknownModel(
      text,
      'a model is named <provider>/<model>, and this node has no such route',
    );
  }
  return { ...(peer === undefined ? {} : { peer }), provider, model };
}

/** The resource of a model: `model:gpu/qwen`, of a peer's `model:@box/gpu/qwen`. */
export function modelResource({ peer, provider, model }: ModelName): string {
  const parts = [provider, ...model.split('/')].map(encodeSegment);
  return `model:${peer === undefined ? '' : `@${encodeSegment(peer)}/`}${parts.join('/')}`;
}

/** The name in full: `gpu/qwen`, of a peer's `@box/gpu/qwen`. */
export function nameText({ peer, provider, model }: ModelName): string {
  return `${peer === undefined ? '' : `@${peer}/`}${provider}/${model}`;
}

/** The error for a name that leads nowhere; `why` is a clause. */
export function unknownModel(name: string, why: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_UNKNOWN',
    `there is no model '${printable(name.slice(0, NAME_MAX))}': ${why}`,
    { hint: 'see which there are: GET /v1/models, or: starling model list' },
  );
}
