// breaks: no-tests-in-the-product
import '../devices/remove.test.ts'
