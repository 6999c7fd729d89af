"""Where the service answers, read by moto's dispatcher and by `register`.

One rule takes every path: `validation` finds the operation from the path as it was sent. moto's server matches the
decoded path, in which an ARN's slash looks like any other.
"""

from .responses import CodeGuruProfilerResponse

url_bases = [r"https?://codeguru-profiler\.(.+)\.amazonaws\.com"]

url_paths = {"{0}/(?P<path>.*)$": CodeGuruProfilerResponse.dispatch}
