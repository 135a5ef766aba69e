//! A request as the bytes it is made of. Nothing is checked or corrected: a test may say anything.

/// A request under construction.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    target: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

/// A GET of this target.
pub(crate) fn get(target: impl AsRef<[u8]>) -> Request {
    request("GET", target)
}

/// A HEAD of this target.
pub(crate) fn head(target: impl AsRef<[u8]>) -> Request {
    request("HEAD", target)
}

/// A PUT of these bytes to this target.
pub(crate) fn put(target: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Request {
    request("PUT", target).body(bytes)
}

/// A DELETE of this target.
pub(crate) fn delete(target: impl AsRef<[u8]>) -> Request {
    request("DELETE", target)
}

/// A request with this method and target, and a Host field.
pub(crate) fn request(method: &str, target: impl AsRef<[u8]>) -> Request {
    Request {
        method: method.to_owned(),
        target: target.as_ref().to_vec(),
        fields: vec![(b"Host".to_vec(), b"localhost".to_vec())],
        body: Vec::new(),
    }
}

impl Request {
    /// Adds a field line; a second one of the same name stands beside the first.
    pub(crate) fn field(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Request {
        self.fields.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The same for another target.
    pub(crate) fn at(mut self, target: impl AsRef<[u8]>) -> Request {
        self.target = target.as_ref().to_vec();
        self
    }

    /// Replaces the Host field.
    pub(crate) fn host(mut self, value: impl AsRef<[u8]>) -> Request {
        self.fields[0].1 = value.as_ref().to_vec();
        self
    }

    /// Adds a body and its Content-Length.
    pub(crate) fn body(mut self, bytes: impl AsRef<[u8]>) -> Request {
        self.body = bytes.as_ref().to_vec();
        let length = self.body.len().to_string();
        self.field("Content-Length", length)
    }

    /// Adds a body in chunks of this many bytes (the last may be shorter).
    pub(crate) fn chunked(mut self, bytes: impl AsRef<[u8]>, size: usize) -> Request {
        self.body.clear();
        for chunk in bytes.as_ref().chunks(size) {
            self.body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            self.body.extend_from_slice(chunk);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.field("Transfer-Encoding", "chunked")
    }

    /// The request without its body, whose length it still tells.
    pub(crate) fn only_head(mut self) -> Request {
        self.body.clear();
        self
    }

    /// Does the field stand in the request already?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The bytes for the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.method.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The request for a human, cut to a readable length.
    pub(crate) fn shown(&self) -> String {
        shown(&self.bytes())
    }
}

/// Bytes for a human: escaped, and cut in the middle when they are many.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const SOME: usize = 1500;
    if bytes.len() <= 2 * SOME {
        return bytes.escape_ascii().to_string().replace("\\r\\n", "\\r\\n\n");
    }
    let left_out = bytes.len() - 2 * SOME;
    format!("{}\n[{left_out} bytes]\n{}", shown(&bytes[..SOME]), shown(&bytes[bytes.len() - SOME..]))
}
