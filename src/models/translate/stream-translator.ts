/** What says the events of one stream in another API. */
import type { JsonObject } from '../../core/index.ts';

/** Takes the provider's events one by one, and gives text for the caller. */
export interface StreamTranslator {
  /** The text of the events that one event of the provider means; empty for none. @throws STARLING_MODEL_INVALID */
  push(event: JsonObject): string;
  /** What is still to be said once the provider's stream has ended well; default nothing. */
  end?(): string;
}
