// Loaded into an agent's process with `node --import`: its wall clock is NODETENDER_CLOCK_OFFSET_MS ahead. So a test need
// not wait for the minutes after which an image without a name counts as an orphan.
const offsetMs = Number(process.env['NODETENDER_CLOCK_OFFSET_MS']);
if (!Number.isFinite(offsetMs)) throw new Error('NODETENDER_CLOCK_OFFSET_MS: expected a number of milliseconds');

const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args: [] | ConstructorParameters<typeof Date>) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }

  static override now(): number {
    return RealDate.now() + offsetMs;
  }
} as DateConstructor;
