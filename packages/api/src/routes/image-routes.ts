import { z } from 'zod';
import { route } from '../route.ts';
import { NameOrId, PageQuery, pageOf } from '../schemas/common.ts';
import { Image, ImageBuild, ImageImport } from '../schemas/image.ts';
import { Operation } from '../schemas/operation.ts';

const params = z.strictObject({ image: NameOrId });

export const ImagePage = pageOf(Image);

export const imageRoutes = {
  'image.list': route({
    id: 'image.list',
    method: 'GET',
    path: '/v1/images',
    summary: 'List the images',
    role: 'viewer',
    kind: 'json',
    query: PageQuery,
    status: 200,
    response: ImagePage,
  }),
  'image.show': route({
    id: 'image.show',
    method: 'GET',
    path: '/v1/images/{image}',
    summary: 'Show an image',
    role: 'viewer',
    kind: 'json',
    params,
    status: 200,
    response: Image,
    errors: ['image.not-found'],
  }),
  'image.import': route({
    id: 'image.import',
    method: 'POST',
    path: '/v1/images',
    summary: 'Import a qcow2 or raw file of the host',
    description: 'The file is copied. Its header is checked before any other program reads it.',
    role: 'administrator',
    kind: 'operation',
    body: ImageImport,
    status: 202,
    response: Operation,
    errors: ['image.exists', 'operation.busy'],
  }),
  'image.build': route({
    id: 'image.build',
    method: 'POST',
    path: '/v1/images/build',
    summary: "Build an image from the host's own packages",
    role: 'administrator',
    kind: 'operation',
    body: ImageBuild,
    status: 202,
    response: Operation,
    errors: ['image.exists', 'operation.busy'],
  }),
  'image.delete': route({
    id: 'image.delete',
    method: 'DELETE',
    path: '/v1/images/{image}',
    summary: 'Delete an image that no VM needs',
    role: 'operator',
    kind: 'operation',
    params,
    status: 202,
    response: Operation,
    errors: ['image.not-found', 'image.in-use', 'operation.busy'],
  }),
};
