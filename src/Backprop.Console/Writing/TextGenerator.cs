using System.Collections.Immutable;
using System.Text;
using Backprop.Data.Batches;
using Backprop.Data.Formats;
using Backprop.Data.Sources;
using Backprop.Data.Tokenizers;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;
using Backprop.Models;
using Backprop.Training.Metrics;

namespace Backprop.Console.Writing;

/// <summary>How a text is gone on with.</summary>
/// <param name="Prompt">What it begins with.</param>
/// <param name="Length">Tokens to write.</param>
/// <param name="Temperature">What logits are divided by; 0: the likeliest token.</param>
/// <param name="Seed">Names the randomness.</param>
internal sealed record GenerationOptions(
    string Prompt, int Length, double Temperature, ulong Seed);

/// <summary>Has a network that was trained on a text go on with one.</summary>
internal static class TextGenerator
{
    /// <summary>The text after the prompt.</summary>
    /// <param name="model">The network.</param>
    /// <param name="options">How a text is gone on with.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="show">Told of the text as it comes, whole characters at a time.</param>
    /// <exception cref="MistakeException">The network was not trained to write, or the prompt has
    /// what its text does not have.</exception>
    public static string Generate(
        Model model, GenerationOptions options, int threads, Action<string> show)
    {
        if (model.Specification.Data.Train.Value is not DataSource.Text { Options: var text })
        {
            throw new MistakeException(
                "the network was not trained on a text, so it cannot go on with one");
        }

        ImmutableArray<string> vocabulary = model.TargetNames;
        Network network = model.NetworkFor(Shape.Of(text.Length), text.Path);
        RequireWriter(network, model.Specification.Loss, text, vocabulary);
        ITextTokenizer tokenizer =
            TextFormat.Tokenizer(text.Tokens, vocabulary, model.Header.Tokenizer);
        ImmutableArray<int> prompt = TokensOf(options.Prompt, text.Tokens, tokenizer);
        var tokens = new List<int>(prompt);
        using var pool = new ComputePool(threads);
        using var next = new NextToken(model, network, text.Length, vocabulary.Length, pool);
        var sampler = new TokenSampler(options.Seed, options.Temperature);
        var written = new WrittenText(tokenizer, show);
        for (int i = 0; i < options.Length; i++)
        {
            int token = sampler.Draw(next.Logits(tokens), (ulong)tokens.Count);
            tokens.Add(token);
            written.Add(token);
        }

        return written.End();
    }

    private static void RequireWriter(
        Network network, LossSum loss, TextOptions text, ImmutableArray<string> vocabulary)
    {
        if (network.HasNamedOutputs)
        {
            throw new MistakeException(
                "the network has the outputs "
                + string.Join(", ", network.Outputs.Select(output => output.Name))
                + "; one that writes has one, without a name");
        }

        if (loss.Single is not SoftmaxCrossEntropy
            || network.OutputShape != Shape.Of(text.Length, vocabulary.Length))
        {
            throw new MistakeException(
                $"the network gives {network.OutputShape} by {loss.Name}, not the logits of "
                + $"{vocabulary.Length} tokens at each of {text.Length} positions");
        }

        if (network.Nodes.FirstOrDefault(node => node.Layer.LooksAhead) is { } node)
        {
            throw new MistakeException(
                $"layer '{node.Layer.Name}' looks ahead, at tokens that are not written yet: "
                + "train it with causal = true");
        }
    }

    private static ImmutableArray<int> TokensOf(
        string prompt, TextTokens kind, ITextTokenizer tokenizer)
    {
        if (prompt.Length == 0)
        {
            throw new MistakeException("--prompt: give at least one character to begin with");
        }

        ImmutableArray<int> tokens = tokenizer.Encode(prompt);
        if (kind == TextTokens.Characters && tokens.IndexOf(0) is int stranger and >= 0)
        {
            string character = prompt.EnumerateRunes().ElementAt(stranger).ToString();
            throw new MistakeException(
                $"--prompt: '{character}' does not occur in the text that the network was trained "
                + "on");
        }

        return tokens;
    }

    /// <summary>Puts tokens together as they come. A character may be of several: what ends in one
    /// that is not whole waits for the next, a few times.</summary>
    private sealed class WrittenText(ITextTokenizer tokenizer, Action<string> show)
    {
        private const int MostTokensOfCharacter = 16;

        private readonly StringBuilder _text = new();
        private readonly List<int> _waiting = [];

        public void Add(int token)
        {
            _waiting.Add(token);
            string part = tokenizer.Decode(_waiting, isStart: false);
            bool isWhole = !part.EndsWith(TextFormat.Unknown, StringComparison.Ordinal);
            if (isWhole || _waiting.Count >= MostTokensOfCharacter)
            {
                Show(part);
            }
        }

        public string End()
        {
            Show(tokenizer.Decode(_waiting, isStart: false));
            return _text.ToString();
        }

        private void Show(string part)
        {
            _waiting.Clear();
            _text.Append(part);
            show(part);
        }
    }

    /// <summary>Computes what a network makes of the last tokens of a text.</summary>
    private sealed class NextToken : IDisposable
    {
        private readonly Model _model;
        private readonly NetworkExecutor _executor;
        private readonly Evaluator _evaluator;
        private readonly Batch _batch;
        private readonly float[] _outputs;
        private readonly int _window;
        private readonly int _vocabulary;

        public NextToken(
            Model model, Network network, int window, int vocabulary, ComputePool pool)
        {
            LossSum loss = model.Specification.Loss;
            _model = model;
            _window = window;
            _vocabulary = vocabulary;
            _executor = new NetworkExecutor(network, loss, 1, 1, pool);
            _evaluator = new Evaluator(
                _executor, loss, new TargetReading(TargetEncoding.ClassIndex, [], [], null, []));
            _batch = new Batch(1, window, loss.TargetWidth(network)) { Rows = 1 };
            _outputs = new float[window * vocabulary];
        }

        // What stands after the last token is not looked at, as no layer looks ahead.
        public ReadOnlySpan<float> Logits(List<int> tokens)
        {
            int count = Math.Min(tokens.Count, _window);
            for (int i = 0; i < count; i++)
            {
                _batch.Features.Span[i] = tokens[tokens.Count - count + i];
            }

            _evaluator.Average(_batch, [.. _model.Members], _outputs);
            return _outputs.AsSpan((count - 1) * _vocabulary, _vocabulary);
        }

        public void Dispose()
        {
            _batch.Dispose();
            _executor.Dispose();
        }
    }
}
