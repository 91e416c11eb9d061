using System.Net;
using Backprop.Console.Tests.Commands;

namespace Backprop.Console.Tests.Access;

/// <summary>An API that only this machine reaches, and a browser on it that is at other pages.
/// </summary>
public sealed class BrowserTests
{
    [Fact]
    public async Task Another_page_changes_nothing_and_no_other_name_leads_here()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        int port = cluster.Address.Port;
        Assert.Equal(HttpStatusCode.OK, await GetAsync(cluster, $"localhost:{port}"));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(cluster, $"127.0.0.1:{port}"));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(cluster, $"[::1]:{port}"));
        Assert.Equal(
            HttpStatusCode.MisdirectedRequest, await GetAsync(cluster, $"rebound.example:{port}"));
        Assert.Equal(
            HttpStatusCode.MisdirectedRequest, await GetAsync(cluster, "localhost.example"));
        Assert.Equal(HttpStatusCode.MisdirectedRequest, await GetAsync(cluster, ""));

        string own = $"Origin: http://localhost:{port}";
        Assert.Equal(HttpStatusCode.NoContent, await PostAsync(cluster, ""));
        Assert.Equal(HttpStatusCode.NoContent, await PostAsync(cluster, own));
        Assert.Equal(
            HttpStatusCode.NoContent,
            await PostAsync(cluster, $"{own}\r\nSec-Fetch-Site: same-origin"));
        string[] foreign =
        [
            "Origin: https://evil.example", "Origin: null", "Origin: http://localhost:1",
            "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
            $"{own}\r\nSec-Fetch-Site: cross-site", $"{own}\r\nOrigin: https://evil.example",
        ];
        foreach (string headers in foreign)
        {
            Assert.Equal(HttpStatusCode.Forbidden, await PostAsync(cluster, headers));
        }
    }

    private static Task<HttpStatusCode> GetAsync(ServedCluster cluster, string host) =>
        SendAsync(cluster, $"GET /api/v1/session HTTP/1.1\r\nHost: {host}");

    private static Task<HttpStatusCode> PostAsync(ServedCluster cluster, string headers) =>
        SendAsync(
            cluster, $"POST /api/v1/session HTTP/1.1\r\nHost: localhost:"
            + $"{cluster.Address.Port}{(headers.Length > 0 ? "\r\n" : "")}{headers}");

    private static async Task<HttpStatusCode> SendAsync(ServedCluster cluster, string head) =>
        RawRequest.StatusOf(await RawRequest.SendAsync(
            cluster.Address, $"{head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
}
