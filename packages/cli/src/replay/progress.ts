import { Presets, SingleBar } from 'cli-progress'
import type { Context } from '../context.ts'
import type { ReplayCounts } from './replay.ts'
import type { Source } from './source.ts'

const updateMs = 100
const format =
  ' {bar} {percentage}% | {rows} rows | {acknowledged} acknowledged | {rate}/s | ETA {eta_formatted}'

/** A bar on the terminal while something is read from a source; nothing where there is no terminal. */
export function startProgress(
  { total, bytesRead }: Source,
  { fromRow, counts }: { readonly fromRow: number; counts(): ReplayCounts },
  { stderr }: Context,
  quiet: boolean,
): { stop(): void } {
  if (quiet || stderr.isTTY !== true) return { stop: () => undefined }
  const bar = new SingleBar({ format, stream: stderr, hideCursor: true }, Presets.shades_classic)
  const startedMs = performance.now()
  const payload = () => {
    const { rows, messagesAcknowledged: acknowledged } = counts()
    const seconds = (performance.now() - startedMs) / 1000
    return { rows, acknowledged, rate: Math.round(acknowledged / Math.max(seconds, 0.001)) }
  }
  const done = () => ('rows' in total ? counts().rows : bytesRead())
  const update = () => bar.update(done(), payload())
  bar.start('rows' in total ? Math.max(total.rows - fromRow + 1, 1) : total.bytes, 0, payload())
  const timer = setInterval(update, updateMs)
  return {
    stop: () => {
      clearInterval(timer)
      update()
      bar.stop()
    },
  }
}
