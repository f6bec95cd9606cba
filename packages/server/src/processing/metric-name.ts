import { limits } from '@drover/protocol'
import { quoted, type Refusal, refusal } from '../quality/refusal.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
const controlCharacters = /[\u0000-\u001f\u007f]/

export function checkMetricName(name: string): Refusal | undefined {
  const why = complaint(name)
  return why === undefined ? undefined : refusal('metricName', `${quoted(name)} ${why}`)
}

function complaint(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (Buffer.byteLength(name) > limits.metricNameBytesMax)
    return `is longer than ${limits.metricNameBytesMax} bytes`
  if (controlCharacters.test(name)) return 'holds control characters'
  return name.isWellFormed() ? undefined : 'holds half of a surrogate pair'
}
