import { MqttGateway, type MqttGatewayOptions, sweepPeriodMs } from './mqtt/gateway.ts'

/** A gateway in this thread, for wires that the main thread has: MQTT over WebSocket. */
export interface LocalGateway {
  readonly gateway: MqttGateway
  /** As `Gateways.close`. */
  close(timeoutMs: number): Promise<void>
}

export function startLocalGateway(options: MqttGatewayOptions): LocalGateway {
  const gateway = new MqttGateway(options)
  const sweeping = setInterval(() => gateway.sweep(), sweepPeriodMs)
  sweeping.unref()
  return {
    gateway,
    async close(timeoutMs) {
      await gateway.close(timeoutMs)
      clearInterval(sweeping)
    },
  }
}
