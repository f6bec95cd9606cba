import { faultBatch, faultOptions } from './embedded.faults.batches.ts'
import { openEmbeddedStore } from './embedded.ts'
import { writeSample } from './sample.ts'

/**
 * Writes batches until it kills itself at a step, or is killed: `node embedded.faults.child.ts DIRECTORY [STEP]`.
 * Tells the number of each batch once it is durable.
 */
const [directory, step] = process.argv.slice(2) as [string, string | undefined]

const store = await openEmbeddedStore({
  ...faultOptions,
  directory,
  failpoint: (reached) => {
    if (reached === step) process.kill(process.pid, 'SIGKILL')
  },
  onError: (error) => {
    throw error
  },
})
store.writer.onDurable(({ position }) => process.send?.(position))
let written = (await store.writer.position('processing', 0))?.position ?? 0
for (;;) {
  written = await writeSample(store, faultBatch(written + 1))
  await new Promise(setImmediate)
}
