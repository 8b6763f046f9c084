"""Projects, users, roles and the catalogue; what `up` says of them. Safe to run again."""
import os

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

SECRET = os.environ['SECRET']
keystone = client.Client(session=session.Session(auth=v3.Password(
    auth_url=os.environ['KEYSTONE'], username='admin', password=SECRET, project_name='admin',
    user_domain_id='default', project_domain_id='default')))


def ensure(manager, name, **more):
    of = {key: value for key, value in more.items() if key == 'domain'}
    return next((one for one in manager.list(**of) if one.name == name), None) or manager.create(name, **more)


roles = {name: ensure(keystone.roles, name)
         for name in ('admin', 'member', 'reader', 'service', 'heat_stack_user')}
for user, project, granted in (
        ('demo', 'demo', ('member', 'reader')),
        ('alt', 'alt', ('member', 'reader')),
        ('laws', 'laws', ('member', 'reader')),
        ('rita', 'demo', ('reader',)),
        ('stacksnap', 'service', ('admin', 'service')),
        ('heat', 'service', ('admin', 'service')),
        ('cinder', 'service', ('admin', 'service')),
        ('glance', 'service', ('admin', 'service')),
        ('placement', 'service', ('admin', 'service')),
        ('nova', 'service', ('admin', 'service')),
        ('swift', 'service', ('admin', 'service'))):
    user = ensure(keystone.users, user, domain='default', password=SECRET)
    project = ensure(keystone.projects, project, domain='default')
    for role in granted:
        keystone.roles.grant(roles[role], user=user, project=project)

domain = next((one for one in keystone.domains.list() if one.name == 'heat'), None) or keystone.domains.create('heat')
admin = ensure(keystone.users, 'heat_domain_admin', domain=domain, password=SECRET)
keystone.roles.grant(roles['admin'], user=admin, domain=domain)

for name, kind, url in (
        ('heat', 'orchestration', os.environ['ORCHESTRATION']),
        ('cinder', 'block-storage', os.environ['CINDER'] + '/%(tenant_id)s'),
        ('glance', 'image', os.environ.get('GLANCE')),
        ('placement', 'placement', os.environ.get('PLACEMENT')),
        ('nova', 'compute', os.environ.get('NOVA')),
        ('neutron', 'network', os.environ.get('NETWORK')),
        ('swift', 'object-store', os.environ.get('SWIFT') and os.environ['SWIFT'] + '/AUTH_%(tenant_id)s')):
    if not url:
        continue
    service = next((one for one in keystone.services.list() if one.type == kind), None)
    service = service or keystone.services.create(name, type=kind)
    known = {one.interface: one for one in keystone.endpoints.list(service=service)}
    for interface in ('public', 'internal', 'admin'):
        if interface in known:
            keystone.endpoints.update(known[interface], url=url)
        else:
            keystone.endpoints.create(service, url, interface=interface, region='RegionOne')
