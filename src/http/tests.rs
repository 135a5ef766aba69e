//! The site mounted in an application.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{App, test, web};

use super::*;
use crate::root::{Root, SymlinkPolicy};
use crate::validator_store::StoreOptions;
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::index::IndexMode;

pub(super) fn site(folder: &std::path::Path) -> Site {
    let root = Root::open(folder, SymlinkPolicy::Within).unwrap();
    let store = StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Off };

    let options = SiteOptions {
        index_file: "index.html".to_owned(),
        dotfiles: Dotfiles::Hidden,
        listing: Listing::Shown,
        fallback: Fallback::NotFound,
        own: OwnResources::Here,
        headers: HeaderRules::default(),
        writes: WriteOptions::READ_ONLY,
        hosts: Hosts::Any,
        access: Arc::new(crate::access::Access::open()),
    };
    Site::new(ValidatorStore::new(root, store, renderer()), options, Arc::default())
}

#[actix_web::test]
async fn an_application_mounts_the_site_beside_its_own_routes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/file.txt"), "bytes").unwrap();
    let own = web::resource("/own").to(|| async { "own" });
    let app = App::new().service(own).service(site(folder.path()).mounted_at("/assets/"));
    let app = test::init_service(app).await;
    for (path, status, location) in [
        ("/own", StatusCode::OK, None),
        ("/assets/sub/file.txt", StatusCode::OK, None),
        ("/assets/sub", StatusCode::MOVED_PERMANENTLY, Some("/assets/sub/")),
        ("/assets/", StatusCode::OK, None),
        ("/assets/__ifmatch__/health", StatusCode::OK, None),
        ("/assets/nothing", StatusCode::NOT_FOUND, None),
        ("/assetsub/file.txt", StatusCode::NOT_FOUND, None),
        ("/sub/file.txt", StatusCode::NOT_FOUND, None),
    ] {
        let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), status, "{path}");
        let found = response.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(found.as_deref(), location, "{path}");
        assert_eq!(
            response.headers().contains_key(ETAG),
            status == StatusCode::OK && path != "/own" && !path.contains("health")
        );
    }
}
