export type { BufferLimits } from './buffer.ts'
export { createDevice, type Device, type DeviceOptions, type DeviceState } from './device.ts'
export type { Reading, TelemetryValue, Time } from './reading.ts'
