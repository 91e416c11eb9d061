using System.Collections.Frozen;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Backprop.Console.Api;

/// <summary>Serves the page: its files lie in the program, and a path is a key, so that there is no
/// way out of them.</summary>
internal static class PageRoutes
{
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        + " connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none';"
        + " frame-ancestors 'none'";

    private const string PermissionsPolicy =
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

    private static readonly string[] s_reading = [HttpMethods.Get, HttpMethods.Head];

    // The page's own, whatever it may have in them; all else belongs to others.
    private static readonly string[] s_places =
        ["/", "/{file}", "/css/{**path}", "/js/{**path}", "/vendor/{**path}"];

    /// <summary>Serves the page that comes with the program at <c>/</c>.</summary>
    public static void Map(IEndpointRouteBuilder application) =>
        Map(application, PageFiles.Embedded);

    /// <summary>Serves a page.</summary>
    /// <param name="application">Gets the routes.</param>
    /// <param name="files">The page's, by path.</param>
    public static void Map(
        IEndpointRouteBuilder application, FrozenDictionary<string, PageFile> files)
    {
        foreach (string place in s_places)
        {
            application.MapMethods(place, s_reading, (HttpContext context) =>
                Answer(context, files)).AllowAnonymous().ExcludeFromDescription();
        }
    }

    private static IResult Answer(HttpContext context, FrozenDictionary<string, PageFile> files)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Permissions-Policy"] = PermissionsPolicy;
        string path = context.Request.Path.Value ?? "";
        if (!files.TryGetValue(path, out PageFile? file))
        {
            return Results.Problem(
                $"there is no '{path}' here: the page is at '/', the API at '/api/v1'",
                statusCode: StatusCodes.Status404NotFound);
        }

        // Every answer is asked for again, and answered by 304 where nothing has changed: a page
        // and its scripts are then always of one version of the program.
        headers.CacheControl = "no-cache";
        PageCoding coding = PageCoding.Identity;
        if (file.IsCompressible)
        {
            headers.Vary = HeaderNames.AcceptEncoding;
            coding = Best(context.Request.GetTypedHeaders().AcceptEncoding);
        }

        if (coding != PageCoding.Identity)
        {
            headers.ContentEncoding = coding == PageCoding.Brotli ? "br" : "gzip";
        }

        PageContent content = file.In(coding);
        return Results.Bytes(
            content.Bytes, file.ContentType, entityTag: new EntityTagHeaderValue(content.Tag));
    }

    private static PageCoding Best(IList<StringWithQualityHeaderValue> accepted)
    {
        bool Takes(string coding) => (Find(coding) ?? Find("*")) is { } value
            && value.Quality != 0;
        StringWithQualityHeaderValue? Find(string coding) => accepted.FirstOrDefault(
            value => value.Value.Equals(coding, StringComparison.OrdinalIgnoreCase));
        return Takes("br") ? PageCoding.Brotli
            : Takes("gzip") ? PageCoding.Gzip
            : PageCoding.Identity;
    }
}
