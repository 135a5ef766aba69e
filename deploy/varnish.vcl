# Varnish in front of ifmatch, with a cache that asks before every answer: /etc/varnish/default.vcl.
#
#     ifmatch -A --allow-host files.example.com /srv/files
#     varnishd ... -p pipe_timeout=300        (an upload that is being written to the disk is silent for a while)
#
# tests/deploy runs this file; docs/behind-a-proxy.md has what was measured.

vcl 4.1;

import std;

backend default {
    .host = "127.0.0.1";
    .port = "8080";
    # Bytes are on the disk before ifmatch answers; that can take a while.
    .first_byte_timeout = 5m;
}

sub vcl_recv {
    # A write is handed to ifmatch as it comes, and a refusal to the client. With "pass" the client would be told after
    # the last byte of its upload only.
    if (req.method != "GET" && req.method != "HEAD") {
        return (pipe);
    }
    # Varnish does not evaluate these, answers several ranges with 503, or would leave out the digest that is asked for.
    if (req.http.If-Match || req.http.If-Unmodified-Since || req.http.Range || req.http.Want-Repr-Digest) {
        return (pipe);
    }
    # It finds one tag, not one of several.
    std.collect(req.http.If-None-Match);
    if (req.http.If-None-Match ~ "[,*]") {
        return (pipe);
    }
    # Nobody waits for the answer to somebody else's question: it may be older than his own.
    set req.hash_ignore_busy = true;
    return (hash);
}

sub vcl_pipe {
    # What follows on the same connection would not be looked at any more.
    set bereq.http.Connection = "close";
}

sub vcl_hit {
    # See ttl below: even in that microsecond ifmatch is asked.
    return (pass);
}

sub vcl_backend_response {
    # "no-cache" means: keep it, but ask before you use it. Varnish reads it as: do not keep it. So the answer is kept to be
    # asked about with If-None-Match (keep), but not to be used without (ttl, grace). With a ttl of 0 it would not be found.
    # A file that is larger than the whole cache (-s malloc,256M) could not be answered at all: see below.
    if (beresp.http.ETag && beresp.status == 200 && std.integer(beresp.http.Content-Length, 0) < 16777216) {
        set beresp.ttl = 0.001ms;
        set beresp.grace = 0s;
        set beresp.keep = 7d;
        return (deliver);
    }
    # Errors, redirections and large files are not kept.
    set beresp.uncacheable = true;
    set beresp.ttl = 0s;
    return (deliver);
}
