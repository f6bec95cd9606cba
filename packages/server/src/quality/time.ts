import type { Profile } from '@drover/protocol'
import { formatTimeMicros, requireTimeMicros } from '../model/time.ts'
import { type Refusal, refusal } from './refusal.ts'

/** Which times a profile accepts, in µs. */
export interface TimeWindow {
  /** Since 1970. */
  readonly oldestMicros: number
  /** After the receipt of the message. */
  readonly aheadMicrosMax: number
}

export function timeWindow(profile: Pick<Profile, 'oldestTime' | 'aheadSecondsMax'>): TimeWindow {
  return {
    oldestMicros: Math.max(0, requireTimeMicros('oldestTime', profile.oldestTime)),
    aheadMicrosMax: profile.aheadSecondsMax * 1e6,
  }
}

/** Against the time of receipt, not the clock, so that the same message is judged the same whenever it is processed. */
export function checkTime(
  timeMicros: number,
  receivedAtMicros: number,
  window: TimeWindow,
): Refusal | undefined {
  const { oldestMicros, aheadMicrosMax } = window
  if (timeMicros >= oldestMicros && timeMicros <= receivedAtMicros + aheadMicrosMax) return undefined
  const time = formatTimeMicros(timeMicros)
  return timeMicros < oldestMicros
    ? refusal('timeTooOld', `${time} is before ${formatTimeMicros(oldestMicros)}${hint(timeMicros)}`)
    : refusal(
        'timeInFuture',
        `${time} is more than ${aheadMicrosMax / 1e6} s after the receipt at ${formatTimeMicros(receivedAtMicros)}`,
      )
}

/** Seconds since 1970 read as milliseconds fall into the first weeks of 1970. */
function hint(timeMicros: number): string {
  return timeMicros > 0 && timeMicros < 4e12 ? '; `ts` is in milliseconds' : ''
}
