using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Backprop.Data.Tests.Sources;

/// <summary>A server of one answer a connection, on a port of its own: what it is told to say, byte
/// for byte.</summary>
internal sealed class TinyServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Queue<byte[]> _answers;
    private readonly List<TcpClient> _clients = [];
    private readonly Thread _thread;

    /// <summary>Starts it.</summary>
    /// <param name="answers">One for each request; the last one for all that follow. An empty one
    /// is silence.</param>
    public TinyServer(params byte[][] answers)
    {
        _answers = new Queue<byte[]>(answers);
        _listener.Start();
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    public int Requests { get; private set; }

    public Uri Url => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/x");

    public static byte[] Answer(string status, byte[] body, int? length = null) =>
    [
        .. Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {status}\r\nContent-Length: {length ?? body.Length}\r\n"
            + "Connection: close\r\n\r\n"),
        .. body,
    ];

    public void Dispose()
    {
        _listener.Stop();
        _thread.Join();
        _clients.ForEach(client => client.Dispose());
    }

    private void Serve()
    {
        try
        {
            while (true)
            {
                TcpClient client = _listener.AcceptTcpClient();
                _clients.Add(client);
                Requests++;
                byte[] answer = _answers.Count > 1 ? _answers.Dequeue() : _answers.Peek();
                if (answer.Length > 0)
                {
                    Reply(client, answer);
                }
            }
        }
        catch (SocketException)
        {
            // The listener was stopped: that is how this thread ends.
        }
    }

    private static void Reply(TcpClient client, byte[] answer)
    {
        using NetworkStream stream = client.GetStream();
        var request = new StringBuilder();
        while (!request.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            request.Append((char)stream.ReadByte());
        }

        stream.Write(answer);
    }
}
