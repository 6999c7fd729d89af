// Required into the CDK CLI: it addresses buckets as `<bucket>.s3.moto.test`, and no resolver knows that name.
const dns = require("node:dns");
const lookup = dns.lookup;
dns.lookup = (host, ...rest) => lookup(host.endsWith(".moto.test") ? "127.0.0.1" : host, ...rest);
