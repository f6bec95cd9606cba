// breaks: mqtt-packet-stays-home no-undeclared-package
import 'mqtt-packet'
