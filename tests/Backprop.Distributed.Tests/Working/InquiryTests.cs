using Akka.Actor;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Working;

/// <summary>What a worker finds out for a coordinator.</summary>
public sealed class InquiryTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_runs_data_are_outlined()
    {
        await using var cluster = new TestCluster(overTcp: false);
        TestNode node = cluster.Make("worker-1", NodeRoles.Worker);

        OutlineAnswer answer = await node.Worker.Ask<OutlineAnswer>(
            new OutlineRequest(TestRun.Id, TestRun.Specification), s_limit);

        Assert.Null(answer.Refusal);
        Assert.Equal(node.Id, answer.Node);
        Assert.Equal(TestRun.Setup.Outline.Train.Sha256, answer.Outline!.Train.Sha256);
        Assert.Equal(300, answer.Outline.Validation!.Count);
    }

    [Theory]
    [InlineData("epochs = 4", "epochs = no", "epochs")]
    [InlineData(
        "generated { moons { samples = 90, noise = 0.2, seed = 1 } }",
        "csv { files = [\"no-such-file.csv\"], target { class = label } }", "no-such-file.csv")]
    public async Task What_cannot_be_trained_is_refused_with_its_reason(
        string right, string wrong, string named)
    {
        await using var cluster = new TestCluster(overTcp: false);
        TestNode node = cluster.Make("worker-1", NodeRoles.Worker);

        OutlineAnswer answer = await node.Worker.Ask<OutlineAnswer>(
            new OutlineRequest(TestRun.Id, TestRun.Specification.Replace(right, wrong)), s_limit);

        Assert.Null(answer.Outline);
        Assert.Contains(named, answer.Refusal);
        Assert.Contains("worker-1", answer.Refusal);
    }

    [Fact]
    public async Task The_final_weights_are_examined_and_stored_as_a_model()
    {
        await using TestCluster cluster = TestCluster.Of(overTcp: false, servers: 2, workers: 2);
        CheckpointManifest end = await cluster.EndAsync();
        TestNode node = cluster["worker-2"];

        ExaminationAnswer answer = await node.Worker.Ask<ExaminationAnswer>(
            new ExaminationRequest(TestRun.Setup, end, UseBest: false), s_limit);

        Assert.Null(answer.Failure);
        Assert.Equal(TestRun.Oracle.WeightsSha256, answer.Found!.WeightsSha256);
        Assert.Equal(TestRun.Oracle.StateSha256, answer.Found.StateSha256);
        Assert.Equal(TestRun.Oracle.Validation!.Loss, answer.Found.Validation!.Loss);
        Assert.Equal(TestRun.Oracle.Test!.Loss, answer.Found.Test!.Loss);
        byte[] file = ((ModelsInMemory)node.Context.Models).Files[answer.Model!.Place];
        using TrainedModel model = TrainedModel.ReadFrom(new MemoryStream(file));
        Assert.Equal([TestRun.Oracle.WeightsSha256], model.Header.WeightsSha256.ToArray());
    }

    [Fact]
    public async Task A_checkpoint_that_is_not_there_is_an_answer_with_its_reason()
    {
        await using var cluster = new TestCluster(overTcp: false);
        TestNode node = cluster.Make("worker-1", NodeRoles.Worker);
        var manifest = new CheckpointManifest(
            TrainingPosition.Start, null, [new CheckpointPart(0, 3, new string('a', 64))]);

        ExaminationAnswer answer = await node.Worker.Ask<ExaminationAnswer>(
            new ExaminationRequest(TestRun.Setup, manifest, UseBest: false), s_limit);

        Assert.Null(answer.Found);
        Assert.Contains("worker-1", answer.Failure);
    }
}
