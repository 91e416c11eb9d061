using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Backprop.Console.Tests.Client;

/// <summary>A server of events that answers each connection as it is told to, and then closes it.
/// </summary>
internal sealed class FakeEventServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<string> _requests = [];
    private readonly Queue<string> _answers;

    public FakeEventServer(params string[] answers)
    {
        _answers = new Queue<string>(answers);
        _listener.Start();
        Serving = ServeAsync();
    }

    public Task Serving { get; }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>What was asked, connection by connection.</summary>
    public IReadOnlyList<string> Requests => _requests;

    /// <summary>An answer with these events.</summary>
    public static string Events(params string[] events) =>
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        + string.Concat(events.Select(one => $"{one}\n\n"));

    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync()
    {
        while (_answers.TryDequeue(out string? answer))
        {
            using TcpClient peer = await _listener.AcceptTcpClientAsync();
            NetworkStream stream = peer.GetStream();
            var asked = new byte[4_096];
            int length = await stream.ReadAsync(asked);
            _requests.Add(Encoding.ASCII.GetString(asked, 0, length));
            await stream.WriteAsync(Encoding.UTF8.GetBytes(answer));
        }
    }
}
